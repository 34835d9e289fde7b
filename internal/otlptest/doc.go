// Package otlptest is an OTLP receiver for tests: real servers on loopback,
// OTLP/HTTP with protobuf bodies and OTLP/gRPC, that keep what arrives.
//
// A [Receiver] keeps traces, metrics and logs as the protobuf messages that
// were sent, each beside its resource and scope, and also every payload byte
// and header as received, so that a test can search all of it for something
// that must not be there. It can be told to hang, to answer with an error, or
// to refuse connections, per signal where that makes sense.
//
// All methods of a Receiver are safe for concurrent use.
package otlptest
