// Package application owns Applications, the products whose access is managed: the tables
// application, application_deleted and resume_state. It keeps what is promised of the
// Environments of one Application: that there is always one, that one of them is the
// default, and that no two have one slug; so adding and deleting Environments is its
// work. It calls account, whose lock orders what is done to the last Application, and
// environment.
//
// What a transaction locks, it locks in this order: Account, Environments (ids
// ascending), Application.
package application
