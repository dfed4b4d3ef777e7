// Package apikey owns API keys, by which programs call for one Environment: the tables
// api_key, api_key_use and api_key_denial.
package apikey
