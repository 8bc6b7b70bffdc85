using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Time;

namespace Bursar.Tests.Simulation;

/// <summary>A job of an organisation with a declared duration. It may end earlier.</summary>
/// <param name="actual">The part of the declared duration that it takes.</param>
/// <param name="flavor">The value of the label that selectors match.</param>
internal sealed class LevelJob(string ns, string name, TimeSpan total, double actual, int priority, string flavor, DateTimeOffset createdAt)
    : SharedJob(ns, name, total, priority, createdAt)
{
    public string Flavor { get; } = flavor;

    public bool HasEnded => Left <= Total * (1 - actual);

    /// <summary>Its last suspension: the budget that asked for it, and how many events that budget had seen.</summary>
    public (LevelBudget By, int After)? LastSuspension { get; set; }

    protected override Estimate EstimateOf(TimeSpan left) =>
        new(left, left, left * 1.25, EstimateSource.Declared, true, "expected-duration");
}

/// <summary>A budget of one namespace, or of several if <paramref name="isCluster"/>.</summary>
/// <param name="flavor">The jobs that it selects; null for all.</param>
internal sealed class LevelBudget(string name, bool isCluster, IReadOnlyList<string> namespaces, string? flavor, BudgetTerms terms)
{
    public string Name { get; } = name;

    public IReadOnlyList<string> Namespaces { get; } = namespaces;

    public BudgetObject Entity { get; } =
        isCluster
            ? new V1Alpha1ClusterGpuBudget
            {
                Metadata = new() { Name = name, Uid = "uid-" + name },
            }
            : new V1Alpha1GpuBudget
            {
                Metadata = new()
                {
                    Namespace = namespaces[0],
                    Name = name,
                    Uid = "uid-" + name,
                },
            };

    public string Uid => Entity.Metadata.Uid;

    public BudgetTerms Terms { get; set; } = terms;

    public Amount Spent { get; set; } = Amount.Zero;

    /// <summary>The highest limit in this window.</summary>
    public Amount Highest { get; set; } = terms.Limit;

    /// <summary>The number of events that may resume its jobs.</summary>
    public int Events { get; set; }

    public string? WindowKey { get; set; }

    public bool Selects(LevelJob job) => Namespaces.Contains(job.Key.Namespace) && (flavor is null || flavor == job.Flavor);
}

/// <summary>
/// A random organisation: a budget per namespace, departments over several namespaces that may overlap, and one budget over all. It decides
/// and writes with the product's own types. A turn is one minute: events, one pass over all budgets, then a minute of running jobs.
/// </summary>
internal sealed class LevelRun
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly int _seed;
    private readonly Random _random;
    private readonly string[] _namespaces;
    private readonly List<LevelBudget> _budgets = [];
    private readonly List<LevelJob> _jobs = [];
    private readonly SimulatedApi _api = new();
    private readonly VirtualTimeProvider _time = new(new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero));
    private readonly KubeClient _client;
    private OperatorProcess _operator;
    private DecisionStore _decisions = new();
    private LevelBudget? _writing;

    /// <summary>The jobs that any budget resumed since the last quiet time began.</summary>
    private readonly HashSet<string> _resumed = [];
    private int _made;

    public LevelRun(int seed, int jobsPerNamespace = 2)
    {
        (_seed, _random) = (seed, new(seed));
        _client = OperatorProcess.Connect(_api, _time);
        _operator = new(_client);
        _api.Written = (path, before, after) =>
        {
            if (_jobs.Find(job => job.Path == path) is { } job)
                Follow(job, before!, after!);
        };
        _namespaces = [.. Enumerable.Range(0, _random.Next(4, 11)).Select(i => $"team-{i}")];
        foreach (var ns in _namespaces)
            Add(ns, isCluster: false, [ns], _random.Next(6, 30));
        for (var i = _random.Next(2, 4); i > 0; i--)
        {
            var first = _random.Next(_namespaces.Length);
            var count = Math.Min(_namespaces.Length, _random.Next(3, 11));
            string[] covered = [.. Enumerable.Range(first, count).Select(at => _namespaces[at % _namespaces.Length]).Order()];
            Add($"department-{i}", isCluster: true, covered, count * _random.Next(5, 18));
        }
        Add("organisation", isCluster: true, _namespaces, _namespaces.Length * _random.Next(5, 15));
        for (var i = 0; i < _namespaces.Length * jobsPerNamespace; i++)
            Make();
    }

    public int Suspensions { get; private set; }

    public int Again { get; private set; }

    public int Resumes { get; private set; }

    public int Restarts { get; private set; }

    /// <summary>The number of jobs that were suspended and fitted all their budgets when a quiet time began.</summary>
    public int Fitting { get; private set; }

    /// <summary>The number of suspensions that more than one budget had at a time.</summary>
    public int Joint { get; private set; }

    public IReadOnlyList<LevelBudget> Budgets => _budgets;

    public IReadOnlyList<LevelJob> Jobs => _jobs;

    private DateTimeOffset Now => _time.GetUtcNow();

    private OperatorState State => _operator.State;

    private string When => $"seed {_seed}, {Now:HH:mm:ss}";

    public static Amount Money(int amount) => Amount.FromDecimal(amount);

    public void Turn()
    {
        Happen();
        Pass();
        CheckLimits();
        Elapse();
    }

    /// <summary>Raises the limits of about half of the budgets.</summary>
    public void Raise()
    {
        foreach (var budget in _budgets.Where(_ => _random.Next(2) == 0))
            SetLimit(budget, budget.Terms.Limit + Money(_random.Next(1, 30) * budget.Namespaces.Count));
    }

    public void SetLimit(LevelBudget budget, Amount limit)
    {
        if (limit > budget.Terms.Limit)
            budget.Events++;
        budget.Terms = budget.Terms with { Limit = limit };
        budget.Highest = Amount.Max(budget.Highest, limit);
    }

    /// <summary>
    /// Passes without events. Each job that fits all its budgets at the beginning must run after two passes, unless another job of
    /// one of its budgets was resumed. A budget resumes one in a pass, and reserves again for a job that its other budgets now cover. Then
    /// the passes must come to an end, with no such job left.
    /// </summary>
    public void Rest()
    {
        var fitting = FittingJobs();
        Fitting += fitting.Count;
        _resumed.Clear();
        for (var pass = 0; pass < 2; pass++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            Pass();
        }
        var resumed = _jobs.Where(job => _resumed.Contains(job.Key.Uid)).ToArray();
        foreach (var job in fitting.Where(job => job.Suspended && !resumed.Any(other => other != job && Share(job, other))))
            Fail($"{job.Key.Name} fits all its budgets and does not run after two passes", job);
        var most = 10 + 4 * _jobs.Count;
        var acts = true;
        for (var passes = 0; acts; passes++)
        {
            if (passes > most)
                Fail($"the budgets still act after {most} passes without events", null);
            _time.Advance(TimeSpan.FromSeconds(1));
            acts = Pass();
        }
        if (FittingJobs() is [var stuck, ..])
            Fail($"{stuck.Key.Name} fits all its budgets, and none of them acts", stuck);
    }

    /// <summary>Decides on all budgets once, in random order. Returns whether any of them acted.</summary>
    public bool Pass() => Pass(atOnce: _random.Next(3) == 0);

    /// <param name="atOnce">Whether all decide before the first of them writes.</param>
    public bool Pass(bool atOnce)
    {
        var order = _budgets.ToArray();
        _random.Shuffle(order);
        IEnumerable<(LevelBudget Budget, BudgetSnapshot Snapshot, BudgetDecision Decision)> decided = order.Select(Decide);
        if (atOnce)
            decided = decided.ToArray();
        var acted = false;
        foreach (var (budget, snapshot, decision) in decided)
        {
            _writing = budget;
            _operator.CarryOut(budget.Entity, budget.Namespaces, snapshot, decision);
            acted |= decision.Actions.Count > 0;
        }
        return acted;
    }

    private (LevelBudget Budget, BudgetSnapshot Snapshot, BudgetDecision Decision) Decide(LevelBudget budget)
    {
        var snapshot = Observe(budget);
        var decision = BudgetDecider.Decide(snapshot);
        _decisions.Record(budget.Entity, decision);
        // Ten minutes in which it fitted count as an event, each time for twice as long.
        budget.Events += decision.Actions.Count(action => action.Reason == Reasons.FitsAgain);
        _resumed.UnionWith(decision.Actions.Where(action => action.Kind == ActionKind.Resume).Select(action => action.Workload.Uid));
        return (budget, snapshot, decision);
    }

    public void Restart()
    {
        Restarts++;
        _operator.FlushAll();
        _operator = new(_client);
        _decisions = new();
    }

    /// <summary>Returns the jobs that a budget would suspend if it decided first.</summary>
    public IReadOnlyList<LevelJob> VictimsOf(LevelBudget budget)
    {
        var suspended = BudgetDecider
            .Decide(Observe(budget))
            .Actions.Where(action => action.Kind == ActionKind.Suspend)
            .Select(action => action.Workload.Uid)
            .ToHashSet();
        return _jobs.FindAll(job => suspended.Contains(job.Key.Uid));
    }

    public LevelJob Make(TimeSpan? total = null, string? ns = null)
    {
        var job = new LevelJob(
            ns ?? _namespaces[_random.Next(_namespaces.Length)],
            $"job-{_made++}",
            total ?? TimeSpan.FromMinutes(_random.Next(5, 300)),
            _random.Next(3) == 0 ? 0.3 + 0.7 * _random.NextDouble() : 1,
            _random.Next(2),
            _random.Next(2) == 0 ? "large" : "small",
            Now
        )
        {
            Gpus = total is null ? _random.Next(1, 3) : 1,
        };
        _jobs.Add(job);
        _api.Put(job.Path, job.ToObject());
        return job;
    }

    public void Elapse()
    {
        foreach (var job in _jobs.Where(job => !job.Suspended).ToArray())
        {
            var runs = job.Left < Minute ? job.Left : Minute;
            foreach (var budget in BudgetsOf(job))
                budget.Spent += job.Rate.For(runs);
            job.Left -= runs;
            if (job.HasEnded)
                End(job);
        }
        _time.Advance(Minute);
        foreach (var budget in _budgets)
            BeginWindow(budget);
    }

    public IEnumerable<LevelBudget> BudgetsOf(LevelJob job) => _budgets.Where(budget => budget.Selects(job));

    private bool Share(LevelJob one, LevelJob other) => BudgetsOf(one).Any(budget => budget.Selects(other));

    private void Add(string name, bool isCluster, IReadOnlyList<string> namespaces, int limit)
    {
        var budget = new LevelBudget(
            name,
            isCluster,
            namespaces,
            _random.Next(4) == 0 ? "large" : null,
            new()
            {
                Limit = Money(limit),
                Window = new(_random.Next(4) == 0 ? WindowPeriod.Hour : WindowPeriod.Month),
                Settle = _random.Next(4) == 0 ? Minute : TimeSpan.Zero,
            }
        );
        _budgets.Add(budget);
        BeginWindow(budget);
    }

    private void BeginWindow(LevelBudget budget)
    {
        var key = Window.At(budget.Terms.Window, Now).Key;
        if (budget.WindowKey == key)
            return;
        budget.WindowKey = key;
        budget.Spent = Amount.Zero;
        budget.Highest = budget.Terms.Limit;
        budget.Events++;
    }

    private void Happen()
    {
        if (_random.Next(40) == 0)
            Restart();
        var budget = _budgets[_random.Next(_budgets.Count)];
        switch (_random.Next(16))
        {
            case 0:
                SetLimit(budget, budget.Terms.Limit + Money(_random.Next(1, 12)));
                break;
            case 1:
                SetLimit(budget, Amount.Max(Money(1), budget.Terms.Limit - Money(_random.Next(1, 12))));
                break;
            case 2 or 3 or 4 when _jobs.Count < 5 * _namespaces.Length:
                Make();
                break;
            case 5 when _jobs.Count > 3:
                End(_jobs[_random.Next(_jobs.Count)]);
                break;
        }
    }

    private void End(LevelJob job)
    {
        _jobs.Remove(job);
        _api.Remove(job.Path);
        foreach (var budget in BudgetsOf(job))
        {
            budget.Events++;
            // Records of deleted objects are dropped, as the controller does.
            State.DropSuspension(budget.Uid, job.Key.Uid, WorkloadKind.SuspendField);
        }
    }

    private void CheckLimits()
    {
        foreach (var budget in _budgets)
        {
            var bound = _decisions.Get(budget.Entity)?.OverspendBound ?? Amount.Zero;
            if (budget.Spent > budget.Highest + bound)
                Fail($"{budget.Name} spent {budget.Spent} of {budget.Highest} with a bound of {bound}", null);
        }
    }

    /// <summary>Acts as the Job controller when the field changes.</summary>
    private void Follow(LevelJob job, JsonObject before, JsonObject after)
    {
        var suspended = SharedJob.IsSuspended(after);
        if (suspended == SharedJob.IsSuspended(before))
            return;
        job.Suspended = suspended;
        if (!suspended)
        {
            Resumes++;
            return;
        }
        job.Left = job.Total;
        Suspensions++;
        if (job.LastSuspension is { } last)
        {
            Again++;
            if (last.By.Events <= last.After)
                Fail($"{job.Key.Name} was suspended again and nothing had happened to {last.By.Name}", job);
        }
        job.LastSuspension = (_writing!, _writing!.Events);
    }

    /// <summary>Returns the suspended jobs that fit every budget that selects them, with a cause to resume.</summary>
    private List<LevelJob> FittingJobs()
    {
        var plans = _budgets.ToDictionary(budget => budget, budget => (Snapshot: Observe(budget), Plan: Plan.Begin(Observe(budget))));
        var fitting = new List<LevelJob>();
        foreach (var job in _jobs.Where(job => job.Suspended))
        {
            if (State.Suspensions().Count(record => record.Uid == job.Key.Uid) > 1)
                Joint++;
            if (BudgetsOf(job).All(budget => Fits(job.Key.Uid, plans[budget].Plan, plans[budget].Snapshot)))
                fitting.Add(job);
        }
        return fitting;
    }

    /// <summary>Whether a suspended job fits a budget, with a cause to resume. A budget that has not suspended it must let it run.</summary>
    public static bool Fits(string jobUid, Plan plan, BudgetSnapshot budget)
    {
        var workload = plan.Workloads.Single(one => one.Uid == jobUid);
        if (workload.Snapshot.Suspension is not null)
            return ResumeRule.Cause(workload.Snapshot, budget, plan.Totals, plan.Memory) is not null
                && !ResumeRule.NeverFits(workload, plan.Totals)
                && ResumeRule.LimitToResume(workload, plan) <= plan.Totals.Limit
                && !LimitRule.IsReached(plan.Totals)
                && !BudgetDecider.Decide(budget).Actions.Any(action => action.Kind == ActionKind.Suspend);
        // A budget without a record would suspend it again if it did not fit.
        var runs = budget with
        {
            Workloads =
            [
                .. budget.Workloads.Select(one =>
                    one.Key.Uid == jobUid ? one with { NotCoveredBy = null, OtherBudgets = null, NoPodSince = null } : one
                ),
            ],
        };
        return !BudgetDecider.Decide(runs).Actions.Any(action => action.Kind == ActionKind.Suspend);
    }

    private BudgetSnapshot Observe(LevelBudget budget)
    {
        var memory = State.BudgetMemory(budget.Uid);
        var records = State.SuspensionsBy(budget.Uid).ToDictionary(r => r.Uid, StringComparer.Ordinal);
        var others = State.SuspendedByOthers(budget.Namespaces, budget.Uid);
        var notCovered = BudgetObserver.NotCoveredBy(
            _budgets.Where(other => other != budget && other.Namespaces.Any(budget.Namespaces.Contains)).Select(other => other.Entity),
            _decisions,
            State
        );
        WorkloadSnapshot[] work =
        [
            .. _jobs
                .Where(budget.Selects)
                .Select(job =>
                    job.Snapshot(records.GetValueOrDefault(job.Key.Uid), [.. others[job.Key.Uid]], memory, Now) with
                    {
                        NotCoveredBy = BudgetNames.Join(notCovered[job.Key.Uid].Select(BudgetNames.Display)),
                    }
                ),
        ];
        return new()
        {
            Namespace = budget.Entity.Metadata.Namespace ?? "",
            Name = budget.Name,
            Uid = budget.Uid,
            Now = Now,
            Terms = budget.Terms,
            Window = Window.At(budget.Terms.Window, Now),
            Spent = budget.Spent,
            BurnRate = work.Aggregate(HourlyCost.Zero, (sum, w) => sum + w.BurnRate),
            Workloads = work,
            Memory = memory,
            // A minute between two passes, and one more after a restart.
            ReactionTime = TimeSpan.FromSeconds(130),
        };
    }

    private void Fail(string what, LevelJob? job)
    {
        var text = new System.Text.StringBuilder($"{When}: {what}");
        if (job is not null)
            foreach (var budget in BudgetsOf(job))
            {
                var decision = _decisions.Get(budget.Entity);
                var verdict = decision?.Workloads.FirstOrDefault(one => one.Key == job.Key);
                text.Append(
                    $"\n  {budget.Name}: limit {budget.Terms.Limit}, spent {budget.Spent}, reserved {decision?.Reserved}, {verdict?.State} {verdict?.Reason}: {verdict?.Sentence}"
                );
            }
        throw new Xunit.Sdk.XunitException(text.ToString());
    }
}
