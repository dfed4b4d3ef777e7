package server

import (
	"context"
	"time"
)

// SetGrace has what is in flight end sooner.
func (s *Server) SetGrace(calls, tasks time.Duration) { s.forCalls, s.forTasks = calls, tasks }

// AddTask has work run in the background as soon as the server does.
func (s *Server) AddTask(work func(context.Context) error) { s.rewinds = append(s.rewinds, work) }
