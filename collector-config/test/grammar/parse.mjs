// Parses queries with the grammars that Grafana's own editors use: reads [{"language", "expr"}] as JSON and answers, for
// each, "" or what does not parse.
import { readFileSync } from 'node:fs';
import { parser as logql } from '@grafana/lezer-logql';
import { parser as traceql } from '@grafana/lezer-traceql';

const parsers = { loki: logql, tempo: traceql };

function parse({ language, expr }) {
  let wrong = '';
  parsers[language].parse(expr).iterate({
    enter(node) {
      if (node.type.isError && wrong === '') {
        wrong = `does not parse at ${node.from}: ...${expr.slice(node.from, node.from + 40)}`;
      }
    },
  });
  return wrong;
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(parse)));
