// Compiles the dashboard's JSON against the types of Grafana's own schema package, unknown properties included:
// npm install && node check.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

const dashboard = JSON.parse(readFileSync('../../grafana/dashboard.json', 'utf8'));
// The Prometheus data source's own fields of an annotation, which the schema leaves to the data source.
for (const annotation of dashboard.annotations.list) {
  for (const own of ['expr', 'titleFormat', 'textFormat', 'step']) delete annotation[own];
}

const configs = { stat: 'Stat', timeseries: 'TimeSeries', table: 'Table', logs: 'Logs' };
const raw = '@grafana/schema/dist/esm/raw/composable';
const source = [
  `import type { Dashboard } from '@grafana/schema';`,
  // JSON has strings where the types have enums.
  'type Json<T> = T extends string ? (string extends T ? string : `${T}`) : T extends (infer U)[] ? Json<U>[] : T extends object ? { [K in keyof T]: Json<T[K]> } : T;',
  ...Object.entries(configs).map(([type, name]) => `import type * as ${type} from './node_modules/${raw}/${type}/panelcfg/x/${name}PanelCfg_types.gen';`),
  `export const dashboard: Json<Dashboard> = ${JSON.stringify(dashboard)};`,
];
dashboard.panels.filter((p) => configs[p.type]).forEach((panel, i) => {
  source.push(`export const options${i}: Json<Partial<${panel.type}.Options>> = ${JSON.stringify(panel.options)};`);
  if (panel.type === 'timeseries' || panel.type === 'table') {
    source.push(`export const field${i}: Json<Partial<${panel.type}.FieldConfig>> = ${JSON.stringify(panel.fieldConfig.defaults.custom ?? {})};`);
  }
});
writeFileSync('dashboard.gen.ts', source.join('\n'));
const flags = ['--noEmit', '--skipLibCheck', '--strict', '--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2022'];
process.exit(spawnSync('node_modules/.bin/tsc', [...flags, 'dashboard.gen.ts'], { stdio: 'inherit' }).status ?? 1);
