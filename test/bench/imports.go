package main

import "context"

func (c *crowd) imports(context.Context) error { return nil }
