package main

import "context"

func outage(context.Context, *server) error { return nil }
func memory(context.Context, *server) error { return nil }
