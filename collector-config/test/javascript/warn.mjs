// Emits warnings of leases that expired through OpenTelemetry's SDK for JavaScript, without a throttle:
//
//   node warn.mjs http|proto http://localhost:4318/v1/logs 10000
//
// The three targets take turns: one as WARN, one as ERROR, one without a severity.
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter as JSONExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";

const [kind, url, count] = process.argv.slice(2);
const Exporter = kind === "proto" ? ProtobufExporter : JSONExporter;
const processor = new BatchLogRecordProcessor({
  exporter: new Exporter({ url, timeoutMillis: 60_000 }),
  maxQueueSize: 2 * count,
  exportTimeoutMillis: 60_000,
});
const provider = new LoggerProvider({
  resource: resourceFromAttributes({
    "service.name": `javascript-${kind}`,
    "service.instance.id": String(process.pid),
    "deployment.environment.name": "production",
  }),
  processors: [processor],
});
const logger = provider.getLogger("locks");
const targets = [
  ["orders", { severityNumber: SeverityNumber.WARN, severityText: "WARN" }],
  ["users", { severityNumber: SeverityNumber.ERROR, severityText: "ERROR" }],
  ["tenants", {}],
];
for (let i = 0; i < count; i++) {
  const [target, severity] = targets[i % targets.length];
  logger.emit({
    ...severity,
    body: `the lease of ${target} expired`,
    attributes: {
      "lock.action": "release_error",
      "lock.target": target,
      "error.type": "expired",
      attempt: i,
    },
  });
}
await provider.shutdown();
