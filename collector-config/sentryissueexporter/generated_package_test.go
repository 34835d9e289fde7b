// Written by hand in the form of mdatagen, from metadata.yaml.

package sentryissueexporter

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
