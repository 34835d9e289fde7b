//go:build unix

package redistest

import "syscall"

// Suspend stops the process as a hung host does: its port accepts connections,
// what is sent to it waits in the socket, and nothing is answered until
// [Server.Resume].
func (s *Server) Suspend() { s.signal(syscall.SIGSTOP) }

// Resume lets a suspended process go on. It carries out what was sent to it
// meanwhile, from connections that have been closed since as well.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.proc == nil {
		s.t.Fatalf("redistest: %v to a server that was killed", sig)
	}
	if err := s.proc.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("redistest: %v: %v", sig, err)
	}
}
