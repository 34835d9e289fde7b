package exporter_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otellock/otellock-go/exporter"
	"github.com/otellock/otellock-go/internal/otlptest"
)

// marker stands for a secret in whatever variable is tried.
const marker = "s3cr3t-t0ken"

func TestMalformedVariablesAreNamedAndNeverQuoted(t *testing.T) {
	tests := map[string][]string{
		"OTEL_PROPAGATORS":       {marker, "tracecontext," + marker, "none,baggage", "b3"},
		"OTEL_TRACES_EXPORTER":   {marker, "otlp," + marker},
		"OTEL_METRICS_EXPORTER":  {marker, "otlp,console"},
		"OTEL_METRICS_PRODUCERS": {marker},
		"OTEL_LOGS_EXPORTER":     {marker, "otlp,sentry"},

		"OTEL_EXPORTER_OTLP_ENDPOINT": {
			marker, "localhost:4318", "http://", "ftp://host/" + marker, "http://user:" + marker + "@[::1", "http://user:" + marker + "@h:port",
		},
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":  {marker},
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": {marker},
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT":    {marker},
		"OTEL_EXPORTER_OTLP_HEADERS": {
			marker, "authorization: Bearer " + marker, "=" + marker, "a b=" + marker, "authorization=Bearer%zz" + marker, "a=b," + marker, "ключ=" + marker,
		},
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":  {marker},
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS": {marker},
		"OTEL_EXPORTER_OTLP_LOGS_HEADERS":    {marker},

		"SENTRY_DSN": {
			marker, "https://" + marker + "@host", "https://" + marker + "@/1", "https://host/1", "ftp://" + marker + "@host/1", "https://" + marker + "@host:port/1",
			"https://" + marker + "@host/1 ", " https://" + marker + "@host/1", "https://" + marker + "@host/shop",
		},
	}
	for name, values := range tests {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				complaints := isolate(t)
				before := otel.GetTracerProvider()
				t.Setenv(name, value)

				tel, err := exporter.Setup(t.Context())
				if err == nil || tel != nil {
					t.Fatalf("Setup returned %v, %v; want nothing but an error", tel, err)
				}
				if !strings.Contains(err.Error(), name) {
					t.Errorf("the error does not name the variable: %v", err)
				}
				for source, text := range map[string]string{"the error": err.Error(), "what OpenTelemetry logged": complaints.String()} {
					if strings.Contains(text, marker) {
						t.Errorf("%s contains the value: %s", source, text)
					}
				}
				if otel.GetTracerProvider() != before {
					t.Error("a failed Setup has replaced a global provider")
				}
			})
		}
	}
}

// The exporter of WithSentryTraces is an OTLP one: it reads the variables of the
// OTLP receiver even where none is used.
func TestOTLPVariablesAreCheckedForSentryTraces(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS":         "authorization: Bearer " + marker,
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS":  "authorization=Bearer%zz" + marker,
		"OTEL_EXPORTER_OTLP_ENDPOINT":        "http://user:" + marker + "@h:port",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[" + marker,
	} {
		for _, spans := range []string{"none", "console"} {
			t.Run(name+" with "+spans, func(t *testing.T) {
				complaints := isolate(t)
				exportNothing(t)
				t.Setenv("OTEL_TRACES_EXPORTER", spans)
				t.Setenv("SENTRY_DSN", "http://public-key@127.0.0.1:1/7")
				t.Setenv(name, value)

				tel, err := exporter.Setup(t.Context(), exporter.WithoutGlobals(), exporter.WithSentryTraces())
				if err == nil {
					_ = tel.Shutdown(within(t, time.Second))
					t.Error("Setup returned no error")
				} else if !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), marker) {
					t.Errorf("error is %v", err)
				}
				if strings.Contains(complaints.String(), marker) {
					t.Errorf("OpenTelemetry logged the value: %s", complaints)
				}
			})
		}
	}

	t.Run("and not without a DSN", func(t *testing.T) {
		isolate(t)
		exportNothing(t)
		t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", marker)
		mustShutdown(t, setup(t, exporter.WithoutGlobals(), exporter.WithSentryTraces()))
	})
}

func TestGRPCEndpointWithoutSchemeIsRefused(t *testing.T) {
	// The exporters cannot parse it and would use localhost without a word.
	isolate(t)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317")
	_, err := exporter.Setup(t.Context(), exporter.WithoutGlobals())
	if err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("error is %v", err)
	}
}

func TestEveryMalformedVariableIsNamedAtOnceAndOnlyOnce(t *testing.T) {
	isolate(t)
	t.Setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "localhost")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", marker)
	t.Setenv("SENTRY_DSN", marker)
	_, err := exporter.Setup(t.Context(), exporter.WithoutGlobals())
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "SENTRY_DSN"} {
		if n := strings.Count(err.Error(), name+" ") + strings.Count(err.Error(), name+":"); n != 1 {
			t.Errorf("%s is named %d times in: %v", name, n, err)
		}
	}
}

func TestWellFormedVariablesAreAccepted(t *testing.T) {
	cert, key := keyPair(t)
	tests := []map[string]string{
		{},
		{"OTEL_SDK_DISABLED": "FALSE"},
		{"OTEL_RESOURCE_ATTRIBUTES": "service.namespace=shop, deployment.environment.name=a%20b", "OTEL_SERVICE_NAME": "x"},
		{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
		{"OTEL_TRACES_SAMPLER": "ParentBased_Always_On", "OTEL_TRACES_SAMPLER_ARG": "not read"},
		{"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"},
		{"OTEL_ATTRIBUTE_COUNT_LIMIT": "-1", "OTEL_SPAN_EVENT_COUNT_LIMIT": "0"},
		{"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20" + marker + ",x-a=", "OTEL_EXPORTER_OTLP_TIMEOUT": "2000"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318/prefix", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "dns:///collector:4317", "OTEL_EXPORTER_OTLP_INSECURE": "true"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4317"},
		{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318", "OTEL_EXPORTER_OTLP_CERTIFICATE": cert,
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": cert, "OTEL_EXPORTER_OTLP_CLIENT_KEY": key,
		},
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Delta"},
		{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram"},
		{ // what no exporter reads is nobody's business
			"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
			"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_ENDPOINT": "?",
		},
		{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"},
	}
	for _, variables := range tests {
		t.Run("", func(t *testing.T) {
			complaints := isolate(t)
			for name, value := range variables {
				t.Setenv(name, value)
			}
			tel, err := exporter.Setup(t.Context(), exporter.WithoutGlobals())
			if err != nil {
				t.Fatalf("%v: %v", variables, err)
			}
			if s := complaints.String(); s != "" {
				t.Errorf("%v: OpenTelemetry complained: %s", variables, s)
			}
			// There is no server. Nothing is pending but an empty collection.
			_ = tel.Shutdown(within(t, 100*time.Millisecond))
		})
	}
}

// Go's exporters would take https, which nothing on localhost speaks.
func TestWithoutAnEndpointTheReceiverIsLocalhostByHTTP(t *testing.T) {
	for protocol, port := range map[string]string{"http/protobuf": "4318", "grpc": "4317"} {
		for _, named := range []string{"", "otlp"} {
			t.Run(protocol+" "+named, func(t *testing.T) {
				isolate(t)
				for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
					t.Setenv("OTEL_"+signal+"_EXPORTER", named)
				}
				t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
				heard := make(chan struct{}, 100)
				server := &http.Server{
					Protocols: new(http.Protocols),
					Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						heard <- struct{}{}
						w.WriteHeader(http.StatusBadRequest)
					}),
				}
				server.Protocols.SetHTTP1(true)
				server.Protocols.SetUnencryptedHTTP2(true)
				var l net.Listener
				eventually(t, "the port is free", func() (free bool) {
					var err error
					l, err = net.Listen("tcp", "localhost:"+port)
					return err == nil
				})
				served := make(chan struct{})
				go func() { defer close(served); _ = server.Serve(l) }()
				defer func() { _ = server.Close(); <-served }()

				var out buffer
				tel := setup(t, exporter.WithoutGlobals(), out.option())
				emit(context.Background(), t, tel)
				if err := tel.Shutdown(within(t, 10*time.Second)); err == nil {
					t.Error("no receiver has accepted anything, and Shutdown returned no error")
				}
				if want := "not delivered: lock backend failed: projects runs unprotected\" route=\"OTLP to localhost:" + port; !strings.Contains(out.String(), want) {
					t.Errorf("the console does not say %s:\n%s", want, &out)
				}
				if len(heard) < 3 {
					t.Errorf("%d requests arrived in plain text, want one of each signal", len(heard))
				}
			})
		}
	}
}

// The failures below come late, when other signals are built already. isolate
// sees to it that nothing of those is left running.
func TestFailedSetupLeavesNothingBehind(t *testing.T) {
	errBroken := errors.New("broken on purpose")
	autoexport.RegisterLogExporter("broken", func(context.Context) (sdklog.Exporter, error) { return nil, errBroken })

	t.Run("a log exporter that cannot be built", func(t *testing.T) {
		isolate(t)
		r := otlptest.Start(t)
		r.Setenv(t, "grpc")
		t.Setenv("OTEL_LOGS_EXPORTER", "broken")
		tel, err := exporter.Setup(t.Context())
		if tel != nil || !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "OTEL_LOGS_EXPORTER") {
			t.Errorf("Setup returned %v, %v", tel, err)
		}
	})
	t.Run("a Prometheus port in use", func(t *testing.T) {
		isolate(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
		t.Setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")
		t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", port)
		_, err = exporter.Setup(t.Context())
		for _, part := range []string{"OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT", "address already in use"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("error is %v, want one with %s", err, part)
			}
		}
	})
	for _, host := range []string{"user:" + marker + ":1", "[" + marker} {
		t.Run("a Prometheus host that is none: "+host, func(t *testing.T) {
			complaints := isolate(t)
			t.Setenv("OTEL_METRICS_EXPORTER", "prometheus")
			t.Setenv("OTEL_EXPORTER_PROMETHEUS_HOST", host)
			_, err := exporter.Setup(t.Context())
			if err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_PROMETHEUS_HOST") || strings.Contains(err.Error()+complaints.String(), marker) {
				t.Errorf("error is %v, logged was %s", err, complaints)
			}
		})
	}
	t.Run("an attribute without a key", func(t *testing.T) {
		isolate(t)
		_, err := exporter.Setup(t.Context(), exporter.WithResourceAttributes(attribute.String("", marker)))
		if err == nil || !strings.Contains(err.Error(), "WithResourceAttributes") || strings.Contains(err.Error(), marker) {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("a context that has ended", func(t *testing.T) {
		isolate(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		tel, err := exporter.Setup(ctx)
		if tel != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("Setup returned %v, %v", tel, err)
		}
	})
}

// keyPair writes a fresh self-signed certificate and its key.
func keyPair(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", keyDER)
}
