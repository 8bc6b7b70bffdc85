using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Safety;

namespace Bursar.Tests.Simulation;

/// <summary>The bound that was published when work was suspended, and the actual overspend.</summary>
public sealed record StopRecord(DateTimeOffset At, string WindowKey, Amount Limit, Amount Spent, Amount Bound, bool AtLimit);

/// <summary>
/// The operator's part: sees with delay, observes, decides, and lets <see cref="OperatorProcess"/> write. A kill loses all but what is stored
/// on the API server; what it sees after that is what the API still shows.
/// </summary>
public sealed class ScenarioOperator
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestSleep = TimeSpan.FromMinutes(10);
    private const string BudgetUid = "budget-uid";

    private readonly ScenarioWorld _world;
    private readonly KubeClient _client;
    private readonly Dictionary<string, (string Id, CheckpointMark Mark)> _answers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (bool Suspended, DateTimeOffset ChangedAt, bool Ended)> _seen = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ProgressSeries> _progress = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, DateTimeOffset> _lost = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _control = new(StringComparer.Ordinal);
    private OperatorProcess _process;
    private bool _up = true;
    private Amount _spentWhileObserving = Amount.Zero;
    private DateTimeOffset? _switchedAt;
    private DateTimeOffset? _next;
    private DateTimeOffset _flushed;
    private string _state = "";
    private readonly SortedDictionary<string, bool> _conditions = new(StringComparer.Ordinal);
    private readonly HashSet<string> _announced = new(StringComparer.Ordinal);
    private readonly HashSet<string> _told = new(StringComparer.Ordinal);

    public ScenarioOperator(ScenarioWorld world)
    {
        _world = world;
        _client = OperatorProcess.Connect(world.Api, new QueueClock(world.Queue));
        _process = new(_client, StoppableCount);
        Ledger.Install(world.Now);
        world.Api.Writing = (path, before, after) => Follow(path, before, after, BeforeWrite);
        world.Api.Written = (path, before, after) => Follow(path, before, after, AfterWrite);
    }

    public List<StopRecord> Stops { get; } = [];

    public List<(string Uid, string Cause)> Resumes { get; } = [];

    public int Evaluations { get; private set; }

    /// <summary>The number of checkpoint requests.</summary>
    public int Requests { get; private set; }

    public int Kills { get; private set; }

    /// <summary>The possible spending while no operator ran to stop it, over all downtimes.</summary>
    public Amount BurntWhileDown { get; private set; } = Amount.Zero;

    /// <summary>The spending while the operator could not suspend: it was down, or in observe-only mode.</summary>
    public Amount Unenforced =>
        BurntWhileDown + _spentWhileObserving + (_switchedAt is { } since ? SpentIn(new(since, _world.Now, "switched")) : Amount.Zero);

    /// <summary>The number of times the breaker opened.</summary>
    public int BreakerOpenings { get; private set; }

    /// <summary>Actions in observe-only mode, of which there must be none.</summary>
    public int ActionsWhileObserving { get; private set; }

    public int ObserveOnlyChanges { get; private set; }

    public BudgetDecision? Last { get; private set; }

    private GpuLedger Ledger => _process.Ledger;

    /// <summary>Each decision, before it is carried out.</summary>
    public event Action<BudgetDecision>? Decided;

    public Amount SpentIn(Window window) => Ledger.Spent("team", LabelSelector.Everything, window.Start, window.End, _world.Now);

    public void Price(string product, GpuHourPrice rate) => Ledger.Reprice(product, rate, _world.Now);

    public void SeeNode(string name, string product, int gpus) => Ledger.ObserveNode(name, product, gpus, _world.Now);

    public void Start()
    {
        Flush();
        Wake();
    }

    public void See(ScenarioWorkload work)
    {
        if (!_up)
            return;
        Look(work);
        Wake();
    }

    public void SeeProgress(ScenarioWorkload work, ProgressPoint point)
    {
        if (!_up)
            return;
        _progress[work.Key.Uid] = _progress.GetValueOrDefault(work.Key.Uid, ProgressSeries.Empty).With(point);
        Wake();
    }

    public void NodeLost(string node, DateTimeOffset at)
    {
        _lost[node] = at;
        if (_up)
            Ledger.MarkNodeLost(node, at);
        Wake();
    }

    public void NodeReturned(string node)
    {
        _lost.Remove(node);
        if (_up)
            Ledger.MarkNodeBack(node, _world.Now);
        Wake();
    }

    public void Continue()
    {
        _world.Log.Write(_world.Now, "admin", "runs 'bursar reset-breaker'");
        Control(ObserveOnlyMode.ContinueKey, _world.Now.ToString("O", CultureInfo.InvariantCulture));
        Wake();
    }

    /// <summary>ConfigMap <c>bursar-control</c>: observe, or enforce again.</summary>
    public void SetObserveOnly(bool observe)
    {
        _world.Log.Write(_world.Now, "admin", observe ? "switches to observe" : "switches to enforce");
        Control(ObserveOnlyMode.EnforcementKey, observe ? ObserveOnlyMode.ObserveValue : "enforce");
        if (observe && _switchedAt is null)
            (_switchedAt, ObserveOnlyChanges) = (_world.Now, ObserveOnlyChanges + 1);
        else if (!observe && _switchedAt is { } since)
            (_spentWhileObserving, _switchedAt) = (_spentWhileObserving + SpentIn(new(since, _world.Now, "switched")), null);
        Wake();
    }

    private void Control(string key, string value)
    {
        _control[key] = value;
        _process.Control.Read(new() { Data = _control });
    }

    /// <summary>kill -9: what was not stored is gone; after a while another begins with what was.</summary>
    public void Kill()
    {
        if (!_up)
            return;
        Kills++;
        _up = false;
        _next = null;
        _progress.Clear();
        _seen.Clear();
        _answers.Clear();
        BurntWhileDown += _world
            .Work.Where(w => w.Pod is not null)
            .Aggregate(Amount.Zero, (sum, w) => sum + RateOf(w).For(_world.Faults.Downtime));
        _world.Queue.After(_world.Faults.Downtime, () =>
        {
            _process = new(_client, StoppableCount);
            _process.Control.Read(new() { Data = _control });
            _up = true;
            foreach (var work in _world.Work)
            {
                Look(work);
                // The annotation still has the latest state.
                if (work is { Plan.ReportsProgress: true, Pod: not null })
                    _progress[work.Key.Uid] = ProgressSeries.Empty.With(new(_world.Now, (long)work.Done, work.Plan.Steps));
            }
            foreach (var (node, at) in _lost)
                Ledger.MarkNodeLost(node, at);
            Wake();
        });
    }

    /// <summary>Records a change, so that the next tick evaluates.</summary>
    public void Wake() => EvaluateAt(NextTick(_world.Now));

    private void EvaluateAt(DateTimeOffset at)
    {
        if (!_up || _next is { } planned && planned <= at)
            return;
        _next = at;
        _world.Queue.At(at, () =>
        {
            if (_next != at || !_up)
                return;
            _next = null;
            Evaluate();
        });
    }

    private static DateTimeOffset NextTick(DateTimeOffset now) =>
        DateTimeOffset.FromUnixTimeMilliseconds(
            (now.ToUnixTimeMilliseconds() / (long)Tick.TotalMilliseconds + 1) * (long)Tick.TotalMilliseconds
        );

    private void Look(ScenarioWorkload work)
    {
        _seen[work.Key.Uid] = (work.Suspended, work.SuspendChangedAt, work.Ended);
        if (work.Plan.Class == WorkloadClass.Inference)
            _process.See<V1Deployment>(work.Object(work.Suspended));
        else
            _process.See<V1Job>(work.Object(work.Suspended));
        if (work.Answer is { } answer)
            _answers[work.Key.Uid] = answer;
        foreach (var pod in work.Pods)
            Ledger.Observe(
                new()
                {
                    Uid = pod.Uid,
                    Pod = pod.Uid,
                    Workload = work.Key,
                    Class = work.Plan.Class,
                    Labels = new Dictionary<string, string>(),
                    Node = pod.Node.Name,
                    Product = pod.Node.Product,
                    Gpus = work.Plan.Gpus,
                    ScheduledAt = pod.ScheduledAt,
                    FinishedAt = pod.FinishedAt,
                    ObservedAt = _world.Now,
                }
            );
    }

    private void Evaluate()
    {
        if (_process.IsWaiting("team"))
        {
            EvaluateAt(NextTick(_world.Now));
            return;
        }
        Evaluations++;
        var snapshot = Observe();
        var decision = BudgetDecider.Decide(snapshot);
        Last = decision;
        Decided?.Invoke(decision);
        Announce(decision);
        var isBraked = _process.Control.Breaker.OpenSince is not null;
        try
        {
            _process.CarryOut(snapshot, decision);
        }
        catch (OperatorKilledException)
        {
            return;
        }
        if (!isBraked && _process.Control.Breaker.OpenSince is not null)
            BreakerOpenings++;
        if (_world.Now - _flushed >= TimeSpan.FromMinutes(1))
            Flush();
        EvaluateAt(NextEvaluation(snapshot, decision));
    }

    private void Announce(BudgetDecision decision)
    {
        foreach (var one in decision.Announcements)
            if (_announced.Add(one.Reason + one.Key))
                _world.Log.Write(_world.Now, "budget", $"{one.Reason}: {one.Sentence}");
        foreach (
            var condition in decision.Conditions.Where(c =>
                c.Type is "MeteringFresh" or "MinimumReplicasExceedLimit" or "BreakerOpen" or "Contested"
            )
        )
            if (_conditions.GetValueOrDefault(condition.Type, condition.Type == "MeteringFresh") != condition.Status)
            {
                _conditions[condition.Type] = condition.Status == true;
                _world.Log.Write(_world.Now, "budget", $"{condition.Type}={condition.Status}: {condition.Message}");
            }
        foreach (var gone in _conditions.Keys.Where(type => _conditions[type] && decision.Conditions.All(c => c.Type != type)).ToArray())
        {
            _conditions[gone] = false;
            _world.Log.Write(_world.Now, "budget", $"{gone} no longer holds");
        }
        if (_state == decision.State)
            return;
        _state = decision.State;
        _world.Log.Write(
            _world.Now,
            "budget",
            $"is {decision.State}: spent {decision.Spent}, projected {decision.Projected}, limit {decision.Limit}, bound {decision.OverspendBound}"
        );
    }

    /// <summary>A write of a decision to work: its object as it is, and as it will be.</summary>
    private void Follow(string path, JsonObject? before, JsonObject? after, Action<ScenarioWorkload, BudgetAction> happens)
    {
        if (_world.Work.FirstOrDefault(one => one.Path == path) is not { } work)
            return;
        var (was, stopped) = (ScenarioWorkload.IsStopped(before!), ScenarioWorkload.IsStopped(after!));
        var action = Last!.Actions.Single(one =>
            one.Workload == work.Key
            && (
                was == stopped
                    ? one.Kind is ActionKind.RequestCheckpoint or ActionKind.WithdrawCheckpoint
                    : one.Kind == (stopped ? ActionKind.Suspend : ActionKind.Resume)
            )
        );
        happens(work, action);
    }

    private void BeforeWrite(ScenarioWorkload work, BudgetAction action)
    {
        if (_switchedAt is not null)
            ActionsWhileObserving++;
        if (action.Kind == ActionKind.Suspend)
        {
            Stops.Add(new(_world.Now, Last!.WindowKey, Last.Limit, Last.Spent, Last.OverspendBound, !action.ByForecast));
            _world.Log.Write(_world.Now, "bursar", $"suspends {work.Plan} ({action.Reason}): {action.Sentence}");
        }
        else if (action.Kind == ActionKind.Resume)
        {
            Resumes.Add((work.Key.Uid, action.Reason));
            _world.Log.Write(_world.Now, "bursar", $"resumes {work.Plan} ({action.Reason}): {action.Sentence}");
            return;
        }
        // An annotation that is still in flight is reported again and is no change.
        else if (_told.Add(action.Kind + work.Key.Uid + action.CheckpointId))
        {
            if (action.Kind == ActionKind.RequestCheckpoint)
                Requests++;
            _world.Log.Write(
                _world.Now,
                "bursar",
                action.Kind == ActionKind.RequestCheckpoint
                    ? $"asks {work.Plan} for a checkpoint ({action.Reason}): {action.Sentence}"
                    : $"asks {work.Plan} no more: {action.Sentence}"
            );
        }
        KillByChance(_world.Faults.KilledBeforeAct);
    }

    private void AfterWrite(ScenarioWorkload work, BudgetAction action)
    {
        if (action.Kind == ActionKind.Resume)
        {
            _world.Unsuspend(work);
            KillByChance(_world.Faults.KilledAfterAct);
            return;
        }
        _world.Queue.After(_world.UpTo(_world.Faults.WriteDelay), () =>
        {
            if (action.Kind == ActionKind.Suspend)
                _world.Suspend(work);
            else if (action.Kind == ActionKind.RequestCheckpoint)
                _world.Ask(work, action.CheckpointId!);
            else
                _world.WithdrawRequest(work, action.CheckpointId!);
        });
    }

    private void KillByChance(double chance)
    {
        if (!_world.ByChance(chance))
            return;
        Kill();
        throw new OperatorKilledException();
    }

    private int StoppableCount() =>
        _world.Work.Count(work =>
            work.Plan.Class == WorkloadClass.Training
            && _seen.TryGetValue(work.Key.Uid, out var seen)
            && seen is { Suspended: false, Ended: false }
        );

    private BudgetSnapshot Observe()
    {
        var now = _world.Now;
        var terms = _world.Terms;
        var window = Window.At(terms.Window, now);
        var spends = Ledger
            .SpentByWorkload("team", LabelSelector.Everything, window.Start, window.End, now)
            .ToDictionary(s => s.Workload.Uid, s => s.Spent);
        var open = Ledger.OpenPods().Where(p => !_lost.ContainsKey(p.Node)).ToLookup(p => p.Workload.Uid);
        var records = _process.State.SuspensionsBy(BudgetUid).ToDictionary(r => r.Uid);
        var memory = _process.State.BudgetMemory(BudgetUid);
        var work = _world
            .Work.Where(w => _seen.TryGetValue(w.Key.Uid, out var seen) && !seen.Ended)
            .Select(w =>
                Snapshot(
                    w,
                    memory,
                    spends.GetValueOrDefault(w.Key.Uid, Amount.Zero),
                    [.. open[w.Key.Uid]],
                    records.GetValueOrDefault(w.Key.Uid)
                )
            )
            .ToArray();
        return new()
        {
            Namespace = "team",
            Name = "nlp",
            Uid = BudgetUid,
            Now = now,
            Terms = terms,
            Window = window,
            Spent = Ledger.Spent("team", LabelSelector.Everything, window.Start, window.End, now),
            BurnRate = work.Aggregate(HourlyCost.Zero, (sum, w) => sum + w.BurnRate),
            RollingSpend =
                terms.Window.Period == WindowPeriod.Rolling ? Ledger.Segments("team", LabelSelector.Everything, window.Start, now) : [],
            Workloads = work,
            Memory = memory,
            MeteringStale = _lost.Count > 0 ? $"node {_lost.Keys.First()} is lost" : null,
            ObserveOnly = _switchedAt is not null,
            BreakerAllowance = _process.Control.Breaker.Allowance(now),
        };
    }

    private WorkloadSnapshot Snapshot(ScenarioWorkload work, BudgetMemory memory, Amount spent, OpenPod[] open, SuspensionRecord? record)
    {
        var plan = work.Plan;
        var (suspended, _, _) = _seen[work.Key.Uid];
        var rate = RateOf(work);
        var suspension = record?.Cause;
        if (suspended)
            suspension = suspension is null ? null : suspension with { Confirmed = true };
        // A record that outlived the resume (the operator was killed between the two writes) has no effect any more.
        else if (suspension is not null && memory.Admitted.TryGetValue(work.Key.Uid, out var admission) && admission.At >= record!.Since)
            suspension = null;
        var runningSince = suspended || open.Length == 0 ? (DateTimeOffset?)null : open.Max(p => p.Since);
        var mark = CheckpointMark.Later(
            _answers.TryGetValue(work.Key.Uid, out var said) ? said.Mark : null,
            memory.Marks.GetValueOrDefault(work.Key.Uid)
        );
        var facts = new JobFacts
        {
            Progress = _progress.GetValueOrDefault(work.Key.Uid, ProgressSeries.Empty),
            DeclaredDuration = plan.Declared,
            RunningSince = runningSince,
            CheckpointStep = suspended && (plan.CheckpointEvery > 0 || work.Answer is not null) ? (long)work.Done : mark?.Step,
        };
        var state = suspended
            ? suspension is null
                ? WorkloadState.SuspendedByOther
                : WorkloadState.SuspendedByBudget
            : open.Length > 0
                ? WorkloadState.Running
                : WorkloadState.Pending;
        return new()
        {
            Key = work.Key,
            Class = plan.Class,
            State = state,
            Exempt = plan.Exempt,
            NotSuspendable = plan.NotSuspendable,
            Priority = plan.Priority,
            CreatedAt = work.CreatedAt,
            Gpus = plan.Gpus,
            Rate = rate,
            BurnRate = open.Aggregate(HourlyCost.Zero, (sum, p) => sum + Ledger.CurrentRate(plan.Product)!.Value * p.Gpus),
            Spent = spent,
            Estimate = suspended ? Estimator.AfterResume(facts) : Estimator.Remaining(facts, _world.Now),
            EstimateAfterResume = Estimator.AfterResume(facts),
            TerminationGrace = plan.Grace,
            CanCheckpoint = plan.AnswersIn is not null,
            Checkpoint = mark,
            CheckpointAcknowledged = said.Id,
            CheckpointAnnotation = work.Asked,
            NoPodSince = state == WorkloadState.Pending ? work.WaitsSince : null,
            Suspension = suspension,
        };
    }

    private HourlyCost RateOf(ScenarioWorkload work) => (Ledger.CurrentRate(work.Plan.Product) ?? GpuHourPrice.Zero) * work.Plan.Gpus;

    /// <summary>Once a minute. Before an act the product writes what it depends on.</summary>
    private void Flush()
    {
        _flushed = _world.Now;
        _process.FlushAll();
    }

    /// <summary>
    /// The real operator evaluates every 5 s. Between two changes a decision can only turn when an amount or time crosses a threshold, so
    /// the simulation sleeps until the first of them, and never longer than ten minutes.
    /// </summary>
    private DateTimeOffset NextEvaluation(BudgetSnapshot budget, BudgetDecision decision)
    {
        var now = budget.Now;
        if (decision.Actions.Count > 0)
            return NextTick(now);
        var sleep = LongestSleep;
        var burn = budget.BurnRate.NanoPerHour;
        var allowed = decision.Limit + decision.Limit.Percent(budget.Terms.TolerancePercent);
        if (burn > 0)
            foreach (var line in new[] { allowed - decision.Spent - decision.OverspendBound, allowed - decision.Projected })
                if (
                    line > Amount.Zero
                    && TimeSpan.FromMilliseconds((double)Int128.Min(line.Units / burn, 600_000)) is var left
                    && left < sleep
                )
                    sleep = left;
        var at = now + sleep;
        if (decision.Memory.SettleUntil is { } until && until > now && until < at)
            at = until;
        var exact = Window.NextEdge(budget.Terms.Window, now);
        // A wait that is over ends then, and not at the next tick.
        foreach (var request in decision.Memory.Checkpoints.Values)
            if (request.Deadline > now && (exact is null || request.Deadline < exact))
                exact = request.Deadline;
        if (exact < at)
            at = exact.Value;
        // Never later than the real one would have looked: the tick before the line is crossed, then each.
        var tick =
            at == exact
                ? at
                : DateTimeOffset.FromUnixTimeMilliseconds(
                    at.ToUnixTimeMilliseconds() / (long)Tick.TotalMilliseconds * (long)Tick.TotalMilliseconds
                );
        return tick > now ? tick : NextTick(now);
    }
}
