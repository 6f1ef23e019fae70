import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react';
import { flushSync } from 'react-dom';
import { sentence } from '../api/client';
import { parentOf, shown } from '../api/paths';
import { useHasTiers } from '../api/queries';
import { mistakeText, submit, useCheck, usePlan, useWorkflows, type Job, type Mistake, type Param, type Workflow } from '../api/workflows';
import { formatHash, go, jobLink, replaceHash } from '../app/route';
import { Icon } from '../ui/icons';
import { Message } from '../ui/message';
import { Field, folderOfText } from './field';
import { useFormer } from './former';
import { PlanView } from './plan';
import { remember } from './submitted';
import { WorkflowText } from './text';
import { carried, fieldsOf, problems, valuesOf, type Fields, type Given } from './values';
import './workflow.css';

const kSettleMs = 350; // what is typed is asked about when the typing stops

interface Props {
  workflow: string;
  dataset: string;
  channel: string;
  from: string; // a run to repeat with other values
}

function useSettled(job: Job | null): Job | null {
  const [settled, setSettled] = useState(job);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(job), kSettleMs);
    return () => clearTimeout(timer);
  }, [job]);
  return settled;
}

function Choice({ workflows, chosen, onChoose }: { workflows: Workflow[]; chosen: Workflow | null; onChoose(workflow: Workflow): void }) {
  return (
    <fieldset className="choice">
      <legend>Workflow</legend>
      {workflows.map((w) => (
        <label key={`${w.name} ${w.about}`} className={w.text === chosen?.text ? 'choice-one choice-chosen' : 'choice-one'}>
          <input type="radio" name="workflow" checked={w.text === chosen?.text} onChange={() => onChoose(w)} />
          <span className="choice-name">{shown(w.name)}</span>
          <span className="muted">{w.about}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface FormProps {
  workflow: Workflow;
  parameters: Param[];
  mistakes: Mistake[];
  fields: Fields;
  touched: ReadonlySet<string>; // an empty field that nobody has been in is not wrong yet
  folder: string;
  onField(name: string, text: string): void;
}

function Form({ workflow, parameters, mistakes, fields, touched, folder, onField }: FormProps) {
  const wrong = problems(parameters, fields, mistakes);
  return (
    <>
      {parameters.map((p) => (
        <Field key={`${workflow.name} ${p.name}`} param={p} text={fields[p.name] ?? ''} problem={fields[p.name]?.trim() || touched.has(p.name) ? (wrong[p.name] ?? '') : ''} folder={p.type === 'dataset' && fields[p.name] ? folderOfText(fields[p.name]!) : folder} onChange={(text) => onField(p.name, text)} />
      ))}
      {!parameters.length && <p className="muted">This workflow has no parameters: it runs as it is written.</p>}
    </>
  );
}

// The form itself, once it is known what can be run. `former` is the run that is repeated.
function Runner({ workflows, problem, former, ...props }: Props & { workflows: Workflow[]; problem: string; former: { workflow: Workflow; given: Given } | null }) {
  const client = useQueryClient();
  const given = useMemo((): Given => ({ dataset: props.dataset || undefined, channel: props.channel ? Number(props.channel) : undefined, ...former?.given }), [props.dataset, props.channel, former]);
  const list = useMemo(() => (former && !workflows.some((w) => w.text === former.workflow.text) ? [former.workflow, ...workflows] : workflows), [workflows, former]);
  const first = (former && (list.find((w) => w.text === former.workflow.text) ?? former.workflow)) ?? list.find((w) => w.name === props.workflow) ?? null;
  const [chosen, setChosen] = useState(first);
  const [fields, setFields] = useState<Fields>(() => (first ? fieldsOf(first.parameters, given) : {}));
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const [name, setName] = useState('');
  const [tab, setTab] = useState<'plan' | 'text'>('plan');
  const [sending, setSending] = useState(false);
  const [refusal, setRefusal] = useState('');
  const form = useRef<HTMLFormElement>(null);

  // The hub's parser knows the parameters of a text; those of the list are the same, at once.
  const job = useMemo(() => (chosen ? { text: chosen.text, values: valuesOf(chosen.parameters, fields) } : null), [chosen, fields]);
  const settled = useSettled(job);
  const check = useCheck(settled);
  const fresh = settled === job && !check.isPlaceholderData ? check.data : undefined;
  const mistakes = fresh?.errors ?? [];
  const typed = chosen ? problems(chosen.parameters, fields, []) : {};
  const sound = Object.keys(typed).length === 0;
  const plan = usePlan(sound && fresh && !mistakes.length ? settled : null);
  const planned = fresh && sound && !plan.isPlaceholderData ? plan.data : undefined;
  const all = planned?.errors.length ? planned.errors : mistakes;
  const inText = all.some((m) => m.line > 0);
  const shownPlan = plan.data && !plan.data.errors.length ? plan.data : undefined;

  const choose = (to: Workflow) => {
    setFields(chosen ? carried(chosen.parameters, fields, to.parameters, given) : fieldsOf(to.parameters, given));
    setChosen(to);
    setTouched(new Set());
    setRefusal('');
    replaceHash(formatHash('run', { workflow: to.name, dataset: props.dataset, channel: props.channel, from: props.from }));
  };

  const why = problem || (!chosen ? 'Choose a workflow.' : !sound ? 'Some fields need a value.' : check.error ? '' : all.length ? 'The workflow has an error.' : !fresh || plan.isFetching ? 'The plan is being made.' : '');
  const ready = !why && !sending && (planned !== undefined || plan.error !== null);

  const run = async (e: FormEvent) => {
    e.preventDefault();
    if (!ready || !job || !chosen) {
      if (chosen) flushSync(() => setTouched(new Set(chosen.parameters.map((p) => p.name))));
      form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
      return;
    }
    setSending(true);
    setRefusal('');
    try {
      const submitted = await submit(job, name.trim());
      remember({ ...job, job: submitted, workflow: chosen.name, parameters: chosen.parameters, bytes: planned?.bytes ?? 0 });
      void client.invalidateQueries({ queryKey: ['runs'] });
      go(jobLink(submitted));
    } catch (error) {
      setRefusal(sentence(error));
      setSending(false);
    }
  };

  const tabButton = (key: 'plan' | 'text', text: string) => (
    <button type="button" role="tab" id={`tab-${key}`} aria-selected={tab === key} aria-controls="aside" tabIndex={tab === key ? 0 : -1} onClick={() => setTab(key)}
      onKeyDown={(e) => { if (e.key === 'ArrowLeft' || e.key === 'ArrowRight') { const to = key === 'plan' ? 'text' : 'plan'; setTab(to); document.getElementById(`tab-${to}`)?.focus(); } }}>
      {text}
    </button>
  );

  return (
    <form ref={form} className="run-form" onSubmit={(e) => void run(e)} noValidate>
      <Choice workflows={list} chosen={chosen} onChoose={choose} />
      <section className="run-fields" aria-label="Values">
        {chosen ? (
          <>
            <header><h2>{shown(chosen.name)}</h2><p className="muted">{chosen.about}</p></header>
            <Form workflow={chosen} parameters={chosen.parameters} mistakes={all} fields={fields} touched={touched} folder={given.dataset ? parentOf(given.dataset) : '/'} onField={(n, text) => { setRefusal(''); setTouched((t) => new Set([...t, n])); setFields((f) => ({ ...f, [n]: text })); }} />
            <div className="field"><label htmlFor="job-name">Name of the run<span className="muted"> (optional)</span></label><input id="job-name" className="input" value={name} maxLength={60} placeholder={chosen.name} spellCheck={false} autoComplete="off" onChange={(e) => setName(e.target.value)} /></div>
          </>
        ) : (
          <Message kind="empty" title="Choose what to analyse with" text="Each workflow says what it makes. Its values and the plan appear here." />
        )}
      </section>
      <aside className="run-aside">
        <div className="aside-tabs" role="tablist" aria-label="What will run">{tabButton('plan', 'Plan')}{tabButton('text', inText ? 'Text (errors)' : 'Text')}</div>
        <div id="aside" role="tabpanel" aria-labelledby={`tab-${tab}`} className="aside-body">
          {!chosen ? <p className="muted">Before anything runs, the plan says which tasks there will be, what has to come from the archive and where the results go.</p>
            : tab === 'text' ? <WorkflowText text={chosen.text} values={job!.values} mistakes={all} />
            : check.error ? <p className="health health-bad" role="alert"><Icon name="warning" /> {sentence(check.error)}</p>
            : plan.error && sound ? <p className="health health-bad" role="alert"><Icon name="warning" /> The plan cannot be made: {sentence(plan.error)}</p>
            : !sound ? <p className="muted">The plan follows when all fields have a value.</p>
            : all.length ? <ul className="aside-errors">{all.map((m, i) => <li key={i} className="health health-bad"><Icon name="warning" /> <span>{m.line > 0 ? `Line ${m.line}: ` : ''}{sentence(mistakeText(m))}</span></li>)}</ul>
            : shownPlan ? <PlanView plan={shownPlan} old={!planned} />
            : <p className="plan-wait" role="status"><span className="spinner" aria-hidden="true" /> Making the plan</p>}
        </div>
        <div className="run-go">
          {refusal && <p className="health health-bad" role="alert"><Icon name="warning" /> {refusal}</p>}
          {problem && <p className="health health-waits" role="status"><Icon name="warning" /> {sentence(problem)}</p>}
          <button type="submit" className="button button-primary run-button" aria-disabled={!ready} title={why || undefined}><Icon name="play" /> {sending ? 'Submitting…' : 'Run'}</button>
          {why && why !== problem && <span className="muted" role="status">{why}</span>}
        </div>
      </aside>
    </form>
  );
}

export default function RunFormPage(props: Props) {
  const tiers = useHasTiers();
  const { data, error } = useWorkflows();
  const former = useFormer(props.from, data?.workflows);
  if (!tiers) return <Message kind="empty" title="No runs here" text="This hub shows a folder without TierHub." />;
  if (!data) {
    if (error) return <Message kind="error" title="The workflows are not known" text={sentence(error)} />;
    return <Message kind="wait" title="Asking for the workflows" />;
  }
  if (former.pending) return <Message kind="wait" title="Reading what the run was" />;
  return (
    <div className="run-page">
      <h1>{props.from ? 'Run again with other values' : 'New run'}</h1>
      {former.problem && <p className="health health-waits" role="status"><Icon name="warning" /> {former.problem}</p>}
      {data.workflows.length || former.found
        ? <Runner key={`${props.from} ${props.dataset}`} {...props} workflows={data.workflows} problem={data.problem} former={former.found} />
        : <Message kind="empty" title="No workflows" text={data.problem || 'No workflow is installed with this hub. The administrator puts them into the folder of workflows.'} />}
    </div>
  );
}
