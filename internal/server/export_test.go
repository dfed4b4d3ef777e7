package server

import (
	"context"
	"time"
)

// SetGrace has what is in flight end sooner.
func (s *Server) SetGrace(calls, tasks time.Duration) { s.forCalls, s.forTasks = calls, tasks }

// AddTask has work run in the background as soon as the server does.
func (s *Server) AddTask(work func(context.Context) error) { s.rewinds = append(s.rewinds, work) }

// WriteDecisions has the decision log write what waits to be written.
func (s *Server) WriteDecisions() {
	ended, end := context.WithCancel(context.Background())
	end()
	s.platform.decided.Run(ended)
}

// Payloads are what the document says of the bodies of webhooks.
var Payloads = payloads
