// Package etcdtest runs etcd's embedded server for tests and examples, on free
// loopback ports and in a directory of the caller's.
package etcdtest

import (
	"errors"
	"net/url"
	"testing"
	"time"

	v3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

const startTimeout = 30 * time.Second

// A Server is one etcd in this process. Its methods are for one goroutine.
type Server struct {
	Addr string // 127.0.0.1:port, the same for the whole life of the Server

	dir  string
	etcd *embed.Etcd // nil while it is stopped
}

// Run starts a server that keeps its files in the directory, and returns once it
// answers.
func Run(dir string) (*Server, error) {
	s := &Server{Addr: "127.0.0.1:0", dir: dir}
	return s, s.Restart()
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Run(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Restart runs a server again that was stopped, with its address and its data.
func (s *Server) Restart() error {
	cfg := embed.NewConfig()
	cfg.Dir = s.dir
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	client, peer := url.URL{Scheme: "http", Host: s.Addr}, url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		s.etcd, s.Addr = etcd, etcd.Clients[0].Addr().String()
		return nil
	case err = <-etcd.Err():
	case <-time.After(startTimeout):
		err = errors.New("etcdtest: the server did not become ready")
	}
	etcd.Close()
	return err
}

// Stop ends the server. Whoever connects is refused then. Stopping a server that is
// stopped does nothing.
func (s *Server) Stop() {
	if s.etcd != nil {
		s.etcd.Close()
		s.etcd = nil
	}
}

// Client returns a new client of the server. Who asks for it closes it.
func (s *Server) Client() (*v3.Client, error) {
	return v3.New(v3.Config{Endpoints: []string{s.Addr}, Logger: zap.NewNop(), DialTimeout: startTimeout})
}
