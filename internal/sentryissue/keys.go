package sentryissue

import (
	otelconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otellock/otellock-go/semconv"
)

const (
	keyLockTarget          = string(semconv.LockTargetKey)
	keyLockKeyPattern      = string(semconv.LockKeyPatternKey)
	keyLockAction          = string(semconv.LockActionKey)
	keyLockOperationName   = string(semconv.LockOperationNameKey)
	keyLockBackendName     = string(semconv.LockBackendNameKey)
	keyLockFailurePolicy   = string(semconv.LockFailurePolicyKey)
	keyLockSuppressedCount = string(semconv.LockReportSuppressedCountKey)
	keyLockSuppressedSince = string(semconv.LockReportSuppressedSinceKey)
	keyLockSuppressedUntil = string(semconv.LockReportSuppressedUntilKey)
	keyLockSuppressedTypes = string(semconv.LockReportSuppressedErrorTypesKey)
	keyErrorType           = string(otelconv.ErrorTypeKey)
	keyEventName           = string(otelconv.OTelEventNameKey)
	keyExceptionType       = string(otelconv.ExceptionTypeKey)
	keyExceptionMessage    = string(otelconv.ExceptionMessageKey)
	keyExceptionStack      = string(otelconv.ExceptionStacktraceKey)
	keyCodeFunction        = string(otelconv.CodeFunctionNameKey)
	keyCodeFile            = string(otelconv.CodeFilePathKey)
	keyCodeLine            = string(otelconv.CodeLineNumberKey)
	keyUserID              = string(otelconv.UserIDKey)
	keyServiceName         = string(otelconv.ServiceNameKey)
	keyServiceVersion      = string(otelconv.ServiceVersionKey)
	keyServiceInstanceID   = string(otelconv.ServiceInstanceIDKey)
	keyHostName            = string(otelconv.HostNameKey)
	keyEnvironment         = string(otelconv.DeploymentEnvironmentNameKey)
	keyCommandArgs         = string(otelconv.ProcessCommandArgsKey)
	keyCommandLine         = string(otelconv.ProcessCommandLineKey)
	keyEnvironmentOld      = "deployment.environment" // before semantic conventions 1.27
)
