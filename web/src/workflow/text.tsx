import { useEffect, useRef } from 'react';
import { mistakeText, type Mistake, type Values } from '../api/workflows';
import { valuesText } from './values';

// Shows the text of the workflow that will run, its values, and each error at its line.
export function WorkflowText({ text, values, mistakes }: { text: string; values: Values; mistakes: Mistake[] }) {
  const first = useRef<HTMLLIElement>(null);
  const inText = mistakes.filter((m) => m.line > 0);
  const lines = text.replace(/\n$/, '').split('\n');
  const at = inText[0]?.line;
  useEffect(() => {
    first.current?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  const given = valuesText(values);
  return (
    <div className="source">
      <h3>Values</h3>
      <pre className="source-values">{given || 'the defaults of the workflow'}</pre>
      <h3>Text</h3>
      <ol className="source-lines" aria-label="Text of the workflow">
        {lines.map((line, i) => {
          const wrong = inText.filter((m) => m.line === i + 1);
          return (
            <li key={i} ref={at === i + 1 ? first : null} className={wrong.length ? 'source-wrong' : undefined}>
              <code>{line || ' '}</code>
              {wrong.map((m, k) => (
                <span key={k} className="source-mistake" role="alert">
                  {m.column > 0 && <span className="source-caret" aria-hidden="true">{' '.repeat(m.column - 1)}^</span>}
                  Line {m.line}{m.column > 0 ? `, column ${m.column}` : ''}: {mistakeText(m)}
                </span>
              ))}
            </li>
          );
        })}
      </ol>
    </div>
  );
}
