using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Values;

namespace Bursar.Tests.Simulation;

/// <summary>A job of an organisation. It may declare another duration than it takes, or none.</summary>
/// <param name="takes">The duration of a run that is not suspended.</param>
internal sealed class OrganisationJob(string ns, string name, TimeSpan takes, TimeSpan? declared, int priority, DateTimeOffset createdAt)
    : SharedJob(ns, name, takes, priority, createdAt)
{
    public TimeSpan? Declared { get; } = declared;

    public required string Product { get; init; }

    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    /// <summary>The time that its pods take to end.</summary>
    public TimeSpan Stops { get; init; }

    public IReadOnlyList<OrganisationBudget> Budgets { get; set; } = [];

    /// <summary>Its pods, one after the other.</summary>
    public List<OrganisationPod> Pods { get; } = [];

    public OrganisationPod? Open => Pods is [.., { End: null } last] ? last : null;

    /// <summary>Whether it has completed, or its user has deleted it.</summary>
    public bool IsOver { get; set; }

    /// <summary>When its user deletes it if it has not run by then.</summary>
    public DateTimeOffset WaitsUntil { get; init; }

    public DateTimeOffset WaitsSince { get; set; } = createdAt;

    public DateTimeOffset? ResumedAt { get; set; }

    public Amount SpentIn(Window window, DateTimeOffset now) => Pods.Aggregate(Amount.Zero, (sum, pod) => sum + pod.SpentIn(window, now));

    /// <summary>Returns the job as one of its budgets sees it, with the product's estimate and its pods.</summary>
    public WorkloadSnapshot Snapshot(
        SuspensionRecord? record,
        IReadOnlyCollection<SuspensionRecord> others,
        BudgetMemory memory,
        Window window,
        DateTimeOffset now
    )
    {
        var facts = new JobFacts { DeclaredDuration = Declared, RunningSince = Suspended ? null : Open?.Start };
        var snapshot = Snapshot(record, others, memory, now);
        if (!Suspended && Open is null)
            snapshot = snapshot with { State = WorkloadState.Pending, NoPodSince = WaitsSince };
        return snapshot with
        {
            BurnRate = Open is null ? HourlyCost.Zero : Rate,
            Spent = SpentIn(window, now),
            Estimate = Suspended ? Estimator.AfterResume(facts) : Estimator.Remaining(facts, now),
            EstimateAfterResume = Suspended ? null : Estimator.AfterResume(facts),
        };
    }
}

internal sealed class OrganisationPod(string uid, HourlyCost rate, DateTimeOffset start)
{
    public string Uid { get; } = uid;

    public DateTimeOffset Start { get; } = start;

    /// <summary>When it is going to end because it was stopped.</summary>
    public DateTimeOffset? EndsAt { get; set; }

    public DateTimeOffset? End { get; set; }

    public Amount SpentIn(Window window, DateTimeOffset now)
    {
        var from = Start > window.Start ? Start : window.Start;
        var to = End ?? now;
        if (to > window.End)
            to = window.End;
        return to > from ? rate.For(to - from) : Amount.Zero;
    }
}

/// <summary>A budget, and what its jobs have cost by the times of their pods.</summary>
internal sealed class OrganisationBudget(BudgetObject entity, IReadOnlyList<string> namespaces)
{
    private Amount _ended = Amount.Zero;

    public BudgetObject Entity { get; set; } = entity;

    public string Uid => Entity.Metadata.Uid;

    public string Name => BudgetNames.Display(Entity);

    public IReadOnlyList<string> Namespaces { get; } = namespaces;

    public (BudgetTerms Terms, LabelSelector Selector) Spec =>
        GpuBudgetReader.Read(Entity, out var terms, out var selector, out _) is { Count: 0 }
            ? (terms!, selector)
            : throw new InvalidOperationException($"{Entity.Metadata.Name} has no valid spec.");

    /// <summary>The other budgets that share a namespace with it.</summary>
    public IReadOnlyList<OrganisationBudget> Beside { get; set; } = [];

    public List<OrganisationJob> Jobs { get; } = [];

    /// <summary>Deleted jobs whose pods are ending.</summary>
    public List<OrganisationJob> Deleted { get; } = [];

    /// <summary>Pods that are billed, also those of deleted jobs.</summary>
    public HashSet<OrganisationPod> Pods { get; } = [];

    public Window? Window { get; private set; }

    /// <summary>The spending of each window that is over.</summary>
    public Dictionary<Window, Amount> Closed { get; } = [];

    /// <summary>The limits of each window by their parts, as of the last pass in it.</summary>
    public Dictionary<Window, CountedWindow> Counted { get; } = [];

    /// <summary>The time of the next pass without a change.</summary>
    public DateTimeOffset Due { get; set; }

    public Amount Limit { get; set; }

    public Amount Bound { get; set; }

    public DateTimeOffset DecidedAt { get; set; }

    /// <summary>
    /// The most that the window may come to after the jobs were stopped at the limit: the larger of the limit and the spending then, and the bound
    /// that was published.
    /// </summary>
    public Amount Ceiling { get; set; }

    public IReadOnlyCollection<string> NotCovered { get; set; } = [];

    public Amount Spent(DateTimeOffset now)
    {
        BeginWindow(now);
        return Pods.Aggregate(_ended, (sum, pod) => sum + pod.SpentIn(Window!, now));
    }

    public void EndPod(OrganisationPod pod)
    {
        BeginWindow(pod.End!.Value);
        Pods.Remove(pod);
        _ended += pod.SpentIn(Window!, pod.End.Value);
    }

    /// <summary>Closes the window if it is over. Returns whether it was.</summary>
    public bool BeginWindow(DateTimeOffset now)
    {
        if (Window is { } open && now < open.End)
            return false;
        if (Window is { } over)
            Closed.Add(over, Pods.Aggregate(_ended, (sum, pod) => sum + pod.SpentIn(over, over.End)));
        (Window, _ended, Ceiling) = (Window.At(Spec.Terms.Window, now), Amount.Zero, Amount.Zero);
        return true;
    }
}

/// <summary>
/// Three weeks of an organisation: budgets in three levels that overlap and cross, jobs that arrive by weekday, requests, loans and windows
/// that end. Decisions, state, ledger and writes are the product's. What its users do happens on each hour. A pass of all budgets that may decide
/// otherwise follows, then one every five seconds until none of them acts. A budget that nears its limit has a pass in time.
/// </summary>
internal sealed class OrganisationRun
{
    /// <summary>A Monday, so that the second of three weeks contains the edge of a month.</summary>
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(5);
    private static readonly (string Product, decimal Price)[] Products = [("V100", 3.06m), ("A100", 4.097m), ("H100", 12.29m)];
    private static readonly string[] Flavors = ["small", "large", "sweep"];
    private const int Hours = 21 * 24;
    private const int MostRounds = 3_000;
    private const int Nodes = 150;

    private readonly int _seed;
    private readonly Random _random;
    private readonly Random _faults;
    private readonly ScenarioQueue _queue = new(Start);
    private readonly SimulatedApi _api = new();
    private readonly KubeClient _client;
    private readonly List<OrganisationBudget> _budgets = [];
    private readonly List<string> _namespaces = [];
    private readonly Dictionary<string, OrganisationJob> _jobs = new(StringComparer.Ordinal);
    private readonly List<OrganisationJob> _all = [];
    private readonly Dictionary<string, V1Alpha1GpuBudgetRequest> _requests = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Amount> _asked = new(StringComparer.Ordinal);
    private readonly HashSet<OrganisationBudget> _dirty = [];
    private readonly List<OrganisationJob> _toStart = [];

    /// <summary>Pods that ended since the ledger was stored. The API server still shows them.</summary>
    private readonly List<(OrganisationJob Job, OrganisationPod Pod)> _ended = [];
    private readonly HashSet<string> _resumed = [];
    private readonly int[] _arrivals = new int[Hours];
    private OperatorProcess _operator;
    private DateTimeOffset _roundAt = DateTimeOffset.MaxValue;
    private DateTimeOffset _faultAt = Start;
    private readonly HashSet<(string Budget, string Window)> _checked = [];
    private bool _acts;

    /// <summary>Whether everything is checked once no budget acts.</summary>
    private bool _checks;

    /// <summary>The number of pods that are about to be scheduled.</summary>
    private int _starting;
    private int _rounds;

    public OrganisationRun(int seed, int jobs, int teams)
    {
        (_seed, _random, _faults) = (seed, new(seed), new(seed ^ 0x5eed));
        _client = OperatorProcess.Connect(_api, new QueueClock(_queue));
        _operator = new(_client);
        _api.Writing = (_, _, _) => Interfere(isWritten: false);
        _api.Written = (path, before, after) =>
        {
            if (_jobs.TryGetValue(path, out var job))
                Follow(job, SharedJob.IsSuspended(before!), SharedJob.IsSuspended(after!));
            Interfere(isWritten: true);
        };
        double[] weights = [.. Enumerable.Range(0, Hours).Select(WeightOf)];
        var perWeight = jobs / weights.Sum();
        var due = 0.0;
        var made = 0;
        for (var hour = 0; hour < Hours; hour++)
        {
            due += weights[hour] * perWeight;
            _arrivals[hour] = (int)due - made;
            made += _arrivals[hour];
        }
        AddBudgets(teams, jobs);
        Restore();
        _operator.Ledger.Install(Start);
        foreach (var (product, price) in Products)
            _operator.Ledger.Reprice(product, GpuHourPrice.FromDecimal(price), Start);
        _operator.FlushAll();
    }

    public IReadOnlyList<OrganisationBudget> Budgets => _budgets;

    public int Jobs => _all.Count;

    public int Completed { get; private set; }

    public int Deleted { get; private set; }

    public int Suspensions { get; private set; }

    public int Resumes { get; private set; }

    /// <summary>The number of jobs that were suspended within a minute of their resume. Users change nothing in that time.</summary>
    public int Reverted { get; private set; }

    public int Passes { get; private set; }

    public int Kills { get; private set; }

    public int Faults { get; private set; }

    /// <summary>The number of stops at a limit.</summary>
    public int Stops { get; private set; }

    /// <summary>The largest part of a published bound that was spent after a stop at the limit.</summary>
    public double WorstUse { get; private set; }

    /// <summary>The number of jobs that waited and fitted all their budgets.</summary>
    public int Fitting { get; private set; }

    /// <summary>The number of windows that carried money over.</summary>
    public int Rollovers { get; private set; }

    public int Grants { get; private set; }

    /// <summary>The number of windows in which a budget spent borrowed money, and of those that repaid.</summary>
    public int Loans { get; private set; }

    public int Repayments { get; private set; }

    public int MostLive { get; private set; }

    public int MostRoundsSeen { get; private set; }

    public string Figures =>
        $"{_budgets.Count} budgets, {Jobs} jobs, of which {MostLive} at a time at most, {Completed} completed and {Deleted} were deleted; {Passes} passes, {Suspensions} suspensions, {Resumes} resumes ({Reverted} reverted within a minute), {Stops} stops at a limit, which used up to {WorstUse:P0} of the published bound; {Kills} kills, {Faults} failed writes; {Fitting} waiting jobs fitted all their budgets; {Rollovers} windows carried over, {Grants} grants, {Loans} loans were spent and {Repayments} times repaid; at most {MostRoundsSeen} passes until none acted";

    private DateTimeOffset Now => _queue.Now;

    private OperatorState State => _operator.State;

    private string When => $"seed {_seed}, {Now:yyyy-MM-dd HH:mm:ss}";

    public void Run()
    {
        for (var hour = 0; hour <= Hours; hour++)
        {
            var at = hour;
            _queue.At(Start + hour * Hour, () => Happen(at));
            if (hour % 6 == 0)
                _queue.At(Start + hour * Hour + Hour / 2, () =>
                {
                    _checks = true;
                    _rounds = 0;
                    Wake();
                });
            // The operator stores what it knows once a minute.
            if (hour % 24 == 23)
                _queue.At(Start + hour * Hour + 5 * Hour / 6, Flush);
        }
        _queue.RunUntil(Start + Hours * Hour + TimeSpan.FromMinutes(50));
        CheckBill();
    }

    private static double WeightOf(int hour)
    {
        var (day, time) = (hour / 24 % 7, hour % 24);
        return (day >= 5 ? 0.3 : 1) * (0.3 + Math.Exp(-Math.Pow((time - 14) / 4.0, 2)));
    }

    private double LogNormal(double median, double sigma) =>
        median * Math.Exp(sigma * Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()));

    private T Any<T>(IReadOnlyList<T> of) => of[_random.Next(of.Count)];

    /// <summary>
    /// Adds a team for each namespace, limits of some teams by the label of their jobs, departments that overlap, budgets by label that cross them,
    /// and the organisation.
    /// </summary>
    private void AddBudgets(int teams, int jobs)
    {
        // About the cost of a job. The limits are below what the jobs of some weeks cost, and above that of others.
        var perTeam = jobs / 3.0 / teams * 95;
        for (var i = 0; i < teams; i++)
            _namespaces.Add($"team-{i:000}");
        foreach (var ns in _namespaces)
            Add(new V1Alpha1GpuBudget(), "team", [ns], null, perTeam * (0.5 + _random.NextDouble()), lends: true);
        for (var i = 0; i < teams * 65 / 100; i++)
            Add(new V1Alpha1GpuBudget(), "flavor", [_namespaces[i]], Any(Flavors), perTeam * (0.2 + 0.4 * _random.NextDouble()));
        var departments = teams / 5;
        for (var i = 0; i < departments; i++)
        {
            // Each covers five teams, and every other one two of the next.
            string[] covered = [.. Enumerable.Range(i * 5, 5 + 2 * (i % 2)).Select(at => _namespaces[at % teams]).Order()];
            Add(
                new V1Alpha1ClusterGpuBudget(),
                $"department-{i:00}",
                covered,
                null,
                perTeam * covered.Length * (0.6 + 0.5 * _random.NextDouble())
            );
        }
        for (var i = 0; _budgets.Count < teams * 2 - 1; i++)
        {
            string[] covered = [.. _namespaces.Where(_ => _random.Next(8) == 0)];
            if (covered.Length > 0)
                Add(
                    new V1Alpha1ClusterGpuBudget(),
                    $"project-{i:00}",
                    covered,
                    Any(Flavors),
                    perTeam * covered.Length * (0.15 + 0.3 * _random.NextDouble())
                );
        }
        Add(new V1Alpha1ClusterGpuBudget(), "organisation", _namespaces, null, perTeam * teams * 0.8);
        foreach (var budget in _budgets)
            budget.Beside = [.. _budgets.Where(other => other != budget && other.Namespaces.Intersect(budget.Namespaces).Any())];
    }

    private void Add(BudgetObject entity, string name, IReadOnlyList<string> namespaces, string? flavor, double weekly, bool lends = false)
    {
        // Teams and departments have the same window, otherwise they could not lend.
        var period =
            flavor is null || _random.Next(2) == 0 ? WindowPeriod.Week
            : _random.Next(3) == 0 ? WindowPeriod.Month
            : WindowPeriod.Day;
        var limit =
            weekly
            * (
                period == WindowPeriod.Week ? 1
                : period == WindowPeriod.Day ? 1.0 / 5
                : 2
            );
        var spec = entity is V1Alpha1ClusterGpuBudget ? new ClusterGpuBudgetSpec { Namespaces = namespaces } : new GpuBudgetSpec();
        spec.Limit = new() { Cost = Money(limit) };
        spec.Window = new() { Period = period.ToString() };
        spec.Selector = flavor is null ? null : new() { MatchLabels = new Dictionary<string, string> { ["flavor"] = flavor } };
        spec.Training = new()
        {
            Settle = _random.Next(2) == 0 ? "0s" : "60s",
            Victims = _random.Next(2) == 0 ? "LeastLost" : "LowestPriority",
        };
        if (_random.Next(2) == 0)
            spec.Rollover = new() { MaxPercent = _random.Next(5, 60) };
        if (_random.Next(3) == 0)
            spec.AutoApprove = new() { MaxPercent = 5, PerWindow = 1 };
        if (lends && _random.Next(2) == 0)
            spec.Borrowing = new() { Limit = Money(limit * 0.3) };
        else if (lends)
            spec.Lending = new() { Limit = Money(limit * 0.3) };
        entity.Metadata = new()
        {
            Namespace = entity is V1Alpha1GpuBudget ? namespaces[0] : null,
            Name = name,
            Uid = $"uid-{_budgets.Count:000}",
            Generation = 1,
            CreationTimestamp = Start,
        };
        if (entity is V1Alpha1ClusterGpuBudget cluster)
            cluster.Spec = (ClusterGpuBudgetSpec)spec;
        else
            ((V1Alpha1GpuBudget)entity).Spec = spec;
        var budget = new OrganisationBudget(entity, namespaces);
        _budgets.Add(budget);
    }

    private static string Money(double amount) =>
        Math.Max(1, Math.Round(amount, 2)).ToString("0.00", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Shows a new operator what the API server still shows.</summary>
    private void Restore()
    {
        foreach (var ns in _namespaces)
            _operator.See(
                new V1Namespace
                {
                    Metadata = new() { Name = ns, Uid = "uid-" + ns },
                }
            );
        foreach (var budget in _budgets)
            _operator.See(budget.Entity);
        foreach (var request in _requests.Values)
            _operator.See(request);
        for (var i = 0; i < Nodes; i++)
            _operator.Ledger.ObserveNode($"node-{i}", Products[i % Products.Length].Product, 100_000, Now);
        foreach (var job in _jobs.Values)
        foreach (var pod in job.Pods)
            Observe(job, pod);
        foreach (var (job, pod) in _ended)
            Observe(job, pod);
        foreach (var budget in _budgets)
            _dirty.Add(budget);
    }

    /// <summary>Lets the users act at the beginning of an hour.</summary>
    private void Happen(int hour)
    {
        foreach (var budget in _budgets)
        {
            if (budget.BeginWindow(Now))
                _dirty.Add(budget);
            // Time passes: a job may have fitted for long enough, and a lender may have money again.
            if (hour % 4 == 0 && budget.Jobs.Exists(job => job.Suspended))
                _dirty.Add(budget);
        }
        foreach (var job in _jobs.Values.Where(job => job.Open is null && job.WaitsUntil < Now || _random.Next(500) == 0).ToArray())
            Delete(job);
        for (var i = hour < Hours ? _arrivals[hour] : 0; i > 0; i--)
            Create();
        var chosen = Any(_budgets);
        switch (_random.Next(24))
        {
            case 0:
                SetLimit(chosen, 1 + 0.2 * _random.NextDouble());
                break;
            case 1:
                SetLimit(chosen, 1 - 0.2 * _random.NextDouble());
                break;
        }
        // Users delete requests when they are old.
        foreach (
            var request in _requests.Values.Where(request => Now - request.Metadata.CreationTimestamp > TimeSpan.FromDays(3)).ToArray()
        )
            Withdraw(request);
        for (var i = 0; i < 3; i++)
            if (Any(_budgets) is { } poor && poor.Jobs.Exists(job => job.Suspended))
                Request(poor);
        foreach (var request in _requests.Values.Where(request => request.Status is null && _random.Next(10) == 0).ToArray())
            Answer(request);
        MostLive = Math.Max(MostLive, _jobs.Count);
        _rounds = 0;
        Wake();
    }

    private void Flush()
    {
        try
        {
            _operator.FlushAll();
            _ended.Clear();
        }
        catch (ApiException) { }
    }

    private void Create()
    {
        // Some teams have many jobs, most have few.
        var ns = _namespaces[(int)(_namespaces.Count * Math.Pow(_random.NextDouble(), 1.7))];
        var takes = TimeSpan.FromSeconds(Math.Clamp((int)(3_600 * LogNormal(3, 1.2)), 120, 96 * 3_600));
        TimeSpan? declared = _random.Next(20) switch
        {
            0 => null,
            < 5 => TimeSpan.FromSeconds((int)(takes.TotalSeconds * (0.3 + 2 * _random.NextDouble()))),
            _ => takes,
        };
        var (product, price) = Products[
            _random.Next(10) switch
            {
                < 5 => 0,
                < 8 => 1,
                _ => 2,
            }
        ];
        var job = new OrganisationJob(ns, $"job-{_all.Count:00000}", takes, declared, _random.Next(3), Now)
        {
            Product = product,
            PricePerGpu = HourlyCost.FromDecimal(price),
            Gpus =
                1
                << _random.Next(10) switch
                {
                    < 6 => 0,
                    < 8 => 1,
                    8 => 2,
                    _ => 3,
                },
            Labels = new Dictionary<string, string> { ["flavor"] = Any(Flavors) },
            Stops = TimeSpan.FromMilliseconds(_random.Next(0, 30_001)),
            WaitsUntil = Now + TimeSpan.FromHours(_random.Next(4, 40)),
        };
        job.Budgets = [.. _budgets.Where(budget => budget.Namespaces.Contains(ns) && budget.Spec.Selector.Matches(job.Labels))];
        _all.Add(job);
        _jobs.Add(job.Path, job);
        _api.Put(job.Path, job.ToObject());
        foreach (var budget in job.Budgets)
        {
            budget.Jobs.Add(job);
            _dirty.Add(budget);
        }
        _toStart.Add(job);
    }

    private void Delete(OrganisationJob job)
    {
        Deleted++;
        Leave(job);
        if (job.Open is not { } pod)
            return;
        if (pod.EndsAt is null)
            Stop(job, pod);
        foreach (var budget in job.Budgets)
        {
            budget.Deleted.RemoveAll(deleted => deleted.Open is null);
            budget.Deleted.Add(job);
        }
    }

    /// <summary>The object of the job is gone, or it has completed.</summary>
    private void Leave(OrganisationJob job)
    {
        job.IsOver = true;
        _jobs.Remove(job.Path);
        _api.Remove(job.Path);
        foreach (var budget in job.Budgets)
        {
            budget.Jobs.Remove(job);
            _dirty.Add(budget);
            // Records of deleted objects are dropped, as the controller does.
            State.DropSuspension(budget.Uid, job.Key.Uid, WorkloadKind.SuspendField);
        }
    }

    private void SetLimit(OrganisationBudget budget, double factor)
    {
        var spec = budget.Entity.BudgetSpec!;
        // A lower limit does not undo what is spent, nor what stopping costs.
        budget.Ceiling = Amount.Max(budget.Ceiling, budget.Spent(Now) + budget.Bound);
        spec.Limit = new() { Cost = Money(budget.Spec.Terms.Limit.ToDouble() * factor) };
        var metadata = budget.Entity.Metadata with { Generation = budget.Entity.Metadata.Generation + 1 };
        budget.Entity = spec is ClusterGpuBudgetSpec cluster
            ? new V1Alpha1ClusterGpuBudget { Metadata = metadata, Spec = cluster }
            : new V1Alpha1GpuBudget { Metadata = metadata, Spec = spec };
        _operator.See(budget.Entity);
        _dirty.Add(budget);
    }

    private void Request(OrganisationBudget budget)
    {
        var amount = Math.Round(1 + budget.Spec.Terms.Limit.ToDouble() * (0.01 + 0.1 * _random.NextDouble()), 2);
        var request = new V1Alpha1GpuBudgetRequest
        {
            Metadata = new()
            {
                Namespace = budget.Namespaces[0],
                Name = $"request-{_asked.Count}",
                Uid = $"request-{_asked.Count}",
                CreationTimestamp = Now,
            },
            Spec = new()
            {
                Budget = budget.Entity is V1Alpha1GpuBudget ? budget.Entity.Metadata.Name : null,
                ClusterBudget = budget.Entity is V1Alpha1ClusterGpuBudget ? budget.Entity.Metadata.Name : null,
                Amount = Money(amount),
                Reason = "a deadline",
                Until = _random.Next(2) == 0 ? null : Rfc3339.Format(Now + TimeSpan.FromHours(_random.Next(2, 60))),
            },
        };
        _requests.Add(request.Metadata.Uid, request);
        _asked.Add(request.Metadata.Uid, Amount.FromDecimal((decimal)amount));
        _operator.See(request);
        _dirty.Add(budget);
    }

    private void Withdraw(V1Alpha1GpuBudgetRequest request)
    {
        _requests.Remove(request.Metadata.Uid);
        _operator.Forget(request);
        _dirty.UnionWith(BudgetsOf(request));
    }

    private IEnumerable<OrganisationBudget> BudgetsOf(V1Alpha1GpuBudgetRequest request) =>
        _budgets.Where(budget =>
            request.Spec!.Budget is { } name
                ? budget.Entity.Metadata.Name == name && budget.Entity.Metadata.Namespace == request.Metadata.Namespace
                : budget.Entity is V1Alpha1ClusterGpuBudget && budget.Entity.Metadata.Name == request.Spec.ClusterBudget
        );

    private void Answer(V1Alpha1GpuBudgetRequest request)
    {
        request.Status = new()
        {
            Conditions =
            [
                new()
                {
                    Type = _random.Next(4) == 0 ? ConditionTypes.Denied : ConditionTypes.Approved,
                    Status = "True",
                    LastTransitionTime = Now,
                    Reason = "Answered",
                    Message = "",
                },
            ],
        };
        _operator.See(request);
        _dirty.UnionWith(BudgetsOf(request));
    }

    private void StartPod(OrganisationJob job)
    {
        if (job.IsOver || job.Suspended || job.Open is not null)
            return;
        var pod = new OrganisationPod($"{job.Key.Uid}-{job.Pods.Count}", job.Rate, Now);
        job.Pods.Add(pod);
        foreach (var budget in job.Budgets)
        {
            budget.BeginWindow(Now);
            budget.Pods.Add(pod);
            _dirty.Add(budget);
        }
        Observe(job, pod);
        _queue.After(job.Total, () =>
        {
            if (pod.EndsAt is not null || pod.End is not null)
                return;
            Completed++;
            EndPod(job, pod);
            Leave(job);
        });
        Wake();
    }

    private void Stop(OrganisationJob job, OrganisationPod pod)
    {
        pod.EndsAt = Now + job.Stops;
        _queue.After(job.Stops, () =>
        {
            EndPod(job, pod);
            job.WaitsSince = Now;
            foreach (var budget in job.Budgets)
                _dirty.Add(budget);
            StartPod(job);
        });
    }

    private void EndPod(OrganisationJob job, OrganisationPod pod)
    {
        pod.End = Now;
        foreach (var budget in job.Budgets)
            budget.EndPod(pod);
        _ended.Add((job, pod));
        Observe(job, pod);
    }

    private void Observe(OrganisationJob job, OrganisationPod pod) =>
        _operator.Ledger.Observe(
            new()
            {
                Uid = pod.Uid,
                Pod = pod.Uid,
                Workload = job.Key,
                Class = WorkloadClass.Training,
                Labels = job.Labels,
                Node = NodeOf(job),
                Product = job.Product,
                Gpus = job.Gpus,
                ScheduledAt = pod.Start,
                FinishedAt = pod.End,
                ObservedAt = Now,
            }
        );

    private static string NodeOf(OrganisationJob job)
    {
        var product = Array.FindIndex(Products, one => one.Product == job.Product);
        return $"node-{int.Parse(job.Key.Name[4..], System.Globalization.CultureInfo.InvariantCulture) % (Nodes / Products.Length) * Products.Length + product}";
    }

    /// <summary>Acts as the Job controller when the field changes.</summary>
    private void Follow(OrganisationJob job, bool wasSuspended, bool suspended)
    {
        if (suspended == wasSuspended)
            return;
        job.Suspended = suspended;
        _dirty.UnionWith(job.Budgets);
        if (suspended)
        {
            Suspensions++;
            Reverted += Now - job.ResumedAt < TimeSpan.FromMinutes(1) ? 1 : 0;
            if (job.Open is { EndsAt: null } pod)
                Stop(job, pod);
            return;
        }
        Resumes++;
        job.ResumedAt = Now;
        _resumed.Add(job.Key.Uid);
        job.WaitsSince = Now;
        _toStart.Add(job);
    }

    /// <summary>A write fails, its answer is lost, or the operator dies before or after it. A budget has time to try again.</summary>
    private void Interfere(bool isWritten)
    {
        if (!_acts || Now - _faultAt < 4 * Round)
            return;
        switch (_faults.Next(300))
        {
            case 0:
                _faultAt = Now;
                throw new OperatorKilledException();
            case < 3:
                (_faultAt, Faults) = (Now, Faults + 1);
                throw isWritten ? new ApiError(504, "Timeout", "the answer is lost") : new ApiError(500, "InternalError", "etcd is slow");
            case 3 when !isWritten:
                (_faultAt, Faults) = (Now, Faults + 1);
                throw new ApiError(409, "Conflict", "the object has been modified");
        }
    }

    private void Wake() => WakeAt(Now);

    /// <summary>A round at the next multiple of five seconds.</summary>
    private void WakeAt(DateTimeOffset at)
    {
        var seconds = (at.ToUnixTimeMilliseconds() + 4_999) / 5_000 * 5;
        var next = DateTimeOffset.FromUnixTimeSeconds(seconds);
        if (next >= _roundAt)
            return;
        _roundAt = next;
        _queue.At(next, () =>
        {
            if (_roundAt != next)
                return;
            _roundAt = DateTimeOffset.MaxValue;
            Decide();
        });
    }

    /// <summary>One pass of each budget that may decide otherwise than before, in random order.</summary>
    private void Decide()
    {
        if (++_rounds > MostRounds)
            Fail($"the budgets still act after {MostRounds} rounds", null);
        MostRoundsSeen = Math.Max(MostRoundsSeen, _rounds);
        OrganisationBudget[] order = [.. _budgets.Where(budget => _dirty.Contains(budget) || budget.Due <= Now)];
        _dirty.Clear();
        _random.Shuffle(order);
        _acts = true;
        try
        {
            // As the flusher does, which stores a new version after it has read the present one.
            for (var i = 0; i < 2 && _operator.LedgerFault is not null; i++)
                Flush();
            foreach (var budget in order)
                Pass(budget);
        }
        catch (OperatorKilledException)
        {
            Kills++;
            _operator = new(_client);
            Restore();
        }
        _acts = false;
        foreach (var job in _toStart)
        {
            _starting++;
            _queue.After(TimeSpan.FromMilliseconds(_random.Next(500, 4_000)), () =>
            {
                _starting--;
                StartPod(job);
            });
        }
        _toStart.Clear();
        if (_dirty.Count > 0 || _starting > 0)
            WakeAt(Now + Round);
        else if (_checks)
        {
            _checks = false;
            Check();
        }
        var due = _budgets.Min(budget => budget.Due);
        if (due < DateTimeOffset.MaxValue)
            WakeAt(due > Now ? due : Now + Round);
    }

    private void Pass(OrganisationBudget budget)
    {
        Passes++;
        var spent = budget.Spent(Now);
        CheckLimit(budget, spent);
        var loans = State.Loans(budget.Uid);
        if (!_operator.Pass(budget.Entity, () => Observe(budget), decision => Decided(budget, decision, loans)))
            _dirty.Add(budget);
    }

    private void Decided(OrganisationBudget budget, BudgetDecision decision, IReadOnlyList<LoanRecord> loansBefore)
    {
        var counted = State.OpenWindow(budget.Uid)!;
        CheckBegin(budget, counted);
        budget.Counted[budget.Window!] = counted;
        if (decision.Actions.Any(action => action is { Kind: ActionKind.Suspend, ByForecast: false }))
        {
            Stops++;
            budget.Ceiling = Amount.Max(decision.Limit, decision.Spent) + decision.OverspendBound;
        }
        // Pods that started since the last decision are in the bound of this one, also if they are ending by now.
        if (budget.Pods.Any(pod => pod.Start > budget.DecidedAt))
            budget.Ceiling = Amount.Max(budget.Ceiling, decision.Spent + decision.OverspendBound);
        (budget.DecidedAt, budget.Limit, budget.Bound, budget.Due) = (Now, decision.Limit, decision.OverspendBound, DueOf(decision));
        if (decision.Actions.Count > 0)
            _dirty.Add(budget);
        // Other budgets read which workloads this one covers, and have its money.
        string[] notCovered = [.. decision.DoesNotCover()];
        var changed = notCovered.Except(budget.NotCovered).Union(budget.NotCovered.Except(notCovered)).ToHashSet(StringComparer.Ordinal);
        _dirty.UnionWith(
            budget.Beside.Where(other =>
                _operator.Decisions.IsOutdated(other.Entity) || changed.Count > 0 && other.Jobs.Exists(job => changed.Contains(job.Key.Uid))
            )
        );
        budget.NotCovered = notCovered;
        var loans = State.Loans(budget.Uid);
        if (!ReferenceEquals(loansBefore, loans))
            _dirty.UnionWith(_budgets.Where(other => loansBefore.Concat(loans).Any(loan => loan.LenderUid == other.Uid)));
    }

    /// <summary>
    /// Returns the last round before the limit, less the cost of stopping, is spent. The operator has a pass every five seconds, and without a
    /// change all passes until then decide alike.
    /// </summary>
    private DateTimeOffset DueOf(BudgetDecision decision)
    {
        var due = DateTimeOffset.MaxValue;
        if (decision.BurnRate > HourlyCost.Zero && decision.Limit - decision.Spent - decision.OverspendBound is { IsNegative: false } left)
        {
            var milliseconds = Int128.Min(left.Units / decision.BurnRate.NanoPerHour, 1_000_000_000);
            due = DateTimeOffset.FromUnixTimeSeconds((Now.ToUnixTimeMilliseconds() + (long)milliseconds) / 5_000 * 5);
        }
        if (decision.Memory.SettleUntil is { } until && until > Now && until < due)
            due = until;
        foreach (var announced in decision.Memory.SuspensionsAnnounced.Values)
            if (announced + TimeSpan.FromSeconds(60) < due)
                due = announced + TimeSpan.FromSeconds(60);
        return due > Now ? due : Now + Round;
    }

    private BudgetSnapshot Observe(OrganisationBudget budget)
    {
        var memory = State.BudgetMemory(budget.Uid);
        var records = State.SuspensionsBy(budget.Uid).ToDictionary(record => record.Uid, StringComparer.Ordinal);
        var others = State.SuspendedByOthers(budget.Namespaces, budget.Uid);
        var notCovered = BudgetObserver.NotCoveredBy(budget.Beside.Select(other => other.Entity), _operator.Decisions, State);
        var spent = budget.Spent(Now);
        WorkloadSnapshot[] work =
        [
            .. budget.Jobs.Select(job =>
                job.Snapshot(records.GetValueOrDefault(job.Key.Uid), [.. others[job.Key.Uid]], memory, budget.Window!, Now) with
                {
                    NotCoveredBy = BudgetNames.Join(notCovered[job.Key.Uid].Select(BudgetNames.Display)),
                }
            ),
        ];
        return new()
        {
            Namespace = budget.Entity.Metadata.Namespace ?? "",
            Name = budget.Entity.Metadata.Name,
            Uid = budget.Uid,
            Now = Now,
            CreatedAt = Start,
            Terms = budget.Spec.Terms,
            Window = budget.Window!,
            Spent = spent,
            BurnRate = work.Aggregate(HourlyCost.Zero, (sum, one) => sum + one.BurnRate),
            Workloads = work,
            // As the observer counts the pods of a deleted job.
            Ending = budget
                .Deleted.Where(job => job.Open is not null)
                .Aggregate(Amount.Zero, (sum, job) => sum + job.Rate.For(job.Open!.EndsAt!.Value - Now + TimeSpan.FromSeconds(10))),
            Memory = memory,
        };
    }

    private void CheckLimit(OrganisationBudget budget, Amount spent)
    {
        // A pod that started since the last decision is in no bound yet. The next stop has one of its own.
        var known = budget
            .Pods.Where(pod => pod.Start > budget.DecidedAt)
            .Aggregate(spent, (sum, pod) => sum - pod.SpentIn(budget.Window!, Now));
        if (known > Amount.Max(budget.Limit, budget.Ceiling))
            Fail(
                $"{budget.Name} spent {known} of {budget.Limit}, or {budget.Ceiling} after its last stop; its bound is {budget.Bound}; still billed: {string.Join(", ", budget.Pods.Select(pod => $"{pod.Uid} until {pod.EndsAt:HH:mm:ss}"))}",
                null
            );
        if (budget.Ceiling > budget.Limit && spent > budget.Limit && budget.Bound > Amount.Zero)
            WorstUse = Math.Max(
                WorstUse,
                1 - ((budget.Ceiling - spent).ToDouble() / Math.Max(1e-9, (budget.Ceiling - budget.Limit).ToDouble()))
            );
    }

    /// <summary>Checks the run while no budget acts.</summary>
    private void Check()
    {
        CheckSums();
        foreach (var budget in _budgets)
            CheckWindows(budget);
        var records = State.Suspensions().Select(record => record.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var job in _jobs.Values)
            if (job.Suspended != records.Contains(job.Key.Uid))
                Fail(
                    job.Suspended
                        ? $"{job.Key.Name} is suspended and no budget knows it"
                        : $"{job.Key.Name} runs while a budget suspends it",
                    job
                );
        var fitting = FittingJobs();
        if (fitting.Count == 0)
            return;
        Fitting += fitting.Count;
        _resumed.Clear();
        _dirty.UnionWith(fitting.SelectMany(job => job.Budgets));
        WakeAt(Now + Round);
        _queue.After(2 * Round + TimeSpan.FromSeconds(2), () =>
        {
            var resumed = _resumed.Select(uid => _all.Find(job => job.Key.Uid == uid)!).ToArray();
            foreach (var job in fitting)
                if (job is { Suspended: true, IsOver: false } && !resumed.Any(other => other.Budgets.Intersect(job.Budgets).Any()))
                    Fail($"{job.Key.Name} fits all its budgets and does not run after two passes", job);
            // Until none is left.
            _checks = true;
            Wake();
        });
    }

    /// <summary>Loans move money and neither create nor lose any. What is owed is what was lent and not repaid.</summary>
    private void CheckSums()
    {
        var (limits, own) = (Amount.Zero, Amount.Zero);
        foreach (var budget in _budgets)
        {
            var decision = _operator.Decisions.Get(budget.Entity)!;
            if (decision.WindowKey != budget.Window!.Key)
                Fail($"{budget.Name} was not decided on in {budget.Window.Key}", null);
            limits += decision.Limit;
            own += BudgetDecider.LimitOf(budget.Spec.Terms, budget.Window.Key) + decision.RolledOver + decision.Granted;
        }
        if (limits != own)
            Fail($"the limits are {limits} with loans, and {own} without", null);
        var requests = new HashSet<string>(StringComparer.Ordinal);
        foreach (var budget in _budgets)
        {
            var records = State.Loans(budget.Uid);
            foreach (var loans in records.GroupBy(loan => loan.LenderUid))
            {
                var left = loans.Aggregate(Amount.Zero, (sum, loan) => sum + loan.Lent - loan.Repaid);
                if (left != loans.Last().Owed || left.IsNegative)
                    Fail($"{budget.Name} owes {loans.Last().Owed}, and {left} is lent and not repaid", null);
            }
            var terms = budget.Spec.Terms;
            if (
                LoanBook.Owed(State.LoansIn(budget.Uid, budget.Window!.Start, budget.Window.End), budget.Uid)
                > (terms.BorrowingLimit ?? Amount.Zero)
            )
                Fail($"{budget.Name} owes more than {terms.BorrowingLimit}", null);
            if (
                LoanBook.Lent(State.LoansIn(budget.Uid, budget.Window.Start, budget.Window.End), budget.Uid)
                > (terms.LendingLimit ?? Amount.Zero)
            )
                Fail($"{budget.Name} has lent more than {terms.LendingLimit}", null);
            foreach (var grant in State.Grants(budget.Uid))
            {
                if (!requests.Add(grant.RequestUid))
                    Fail($"{grant.RequestUid} is granted twice", null);
                if (grant.Amount != _asked[grant.RequestUid])
                    Fail($"{grant.RequestUid} is granted with {grant.Amount}", null);
                if (grant.Used.IsNegative || grant.Used > grant.Amount)
                    Fail($"{grant.RequestUid} is used with {grant.Used} of {grant.Amount}", null);
            }
        }
        Grants = requests.Count;
    }

    /// <summary>Windows that are over have the exact cost of their pods, and the limit that their parts add up to.</summary>
    private void CheckWindows(OrganisationBudget budget)
    {
        var recorded = State.ClosedWindows(budget.Uid);
        if (recorded.Count != budget.Closed.Count)
            Fail($"{budget.Name} has recorded {recorded.Count} windows of {budget.Closed.Count}", null);
        foreach (var (window, spent) in budget.Closed)
        {
            if (!_checked.Add((budget.Uid, window.Key)))
                continue;
            var closed = recorded.Single(one => one.Start == window.Start);
            if (closed.Spent != spent)
                Fail($"{budget.Name} has recorded {closed.Spent} for {window.Key}, and its pods cost {spent}", null);
            // The unused part of a loan was not lent.
            var (last, all) = (budget.Counted[window], State.LoansIn(budget.Uid, window.Start, window.End));
            var limit = Amount.Max(Amount.Zero, last.Limit - last.Loans + LoanBook.Net(all, budget.Uid));
            if (closed.Limit != limit)
                Fail($"{budget.Name} has recorded a limit of {closed.Limit} for {window.Key}, and its parts are {limit}", null);
            var lent = LoanBook.Borrowed(all, budget.Uid);
            if (lent > Amount.Zero && lent > spent - (limit - lent))
                Fail($"{budget.Name} owes {lent} for {window.Key} and spent {spent} of {limit}", null);
            // The used part of a grant that expired before is fixed, even if the limit rises later.
            var used = State
                .Grants(budget.Uid)
                .Where(grant => grant.Window == window.Key && grant.EndedAt == window.End)
                .Aggregate(Amount.Zero, (sum, grant) => sum + grant.Used);
            if (used > Amount.Max(Amount.Zero, spent - (limit - last.Granted)))
                Fail($"{budget.Name} has used {used} of grants in {window.Key} and spent {spent} of {limit}", null);
            Loans += lent > Amount.Zero ? 1 : 0;
        }
    }

    /// <summary>A window begins with what the one before it left, once.</summary>
    private void CheckBegin(OrganisationBudget budget, CountedWindow counted)
    {
        var terms = budget.Spec.Terms;
        var own = BudgetDecider.LimitOf(terms, counted.Key);
        if (counted.Limit - counted.RolledOver - counted.Granted - counted.Loans != own)
            Fail(
                $"{budget.Name} has a limit of {counted.Limit} whose parts are not {own}, {counted.RolledOver}, {counted.Granted}, {counted.Loans}",
                null
            );
        if (budget.Counted.ContainsKey(budget.Window!))
            return;
        var left = Amount.Zero;
        foreach (var (window, spent) in budget.Closed)
            if (window.End == budget.Window!.Start)
            {
                var (last, closed) = (budget.Counted[window], State.ClosedWindows(budget.Uid).Single(one => one.Start == window.Start));
                left = Amount.Max(Amount.Zero, closed.Limit - last.RolledOver - last.Granted - spent);
            }
        var carried = Amount.Min(left, terms.Limit.Percent(terms.RolloverPercent));
        if (counted.RolledOver != carried)
            Fail($"{budget.Name} carries {counted.RolledOver} over to {counted.Key}, and {left} was left", null);
        Rollovers += carried > Amount.Zero ? 1 : 0;
        Repayments += State.Loans(budget.Uid).Any(loan => loan.Start == counted.Start && loan.Repaid > Amount.Zero) ? 1 : 0;
    }

    /// <summary>Returns the suspended jobs that fit every budget that selects them, with a cause to resume.</summary>
    private List<OrganisationJob> FittingJobs()
    {
        var plans = new Dictionary<OrganisationBudget, (BudgetSnapshot Snapshot, Plan Plan)>();
        return
        [
            .. _jobs.Values.Where(job =>
                job.Suspended
                && job.Budgets.All(budget =>
                {
                    if (!plans.TryGetValue(budget, out var known))
                    {
                        var snapshot = _operator.WithState(budget.Entity, Observe(budget));
                        plans.Add(budget, known = (snapshot, Plan.Begin(snapshot)));
                    }
                    return LevelRun.Fits(job.Key.Uid, known.Plan, known.Snapshot);
                })
            ),
        ];
    }

    /// <summary>The ledger's bill of each budget is the cost of the pods of its jobs.</summary>
    private void CheckBill()
    {
        var whole = new Window(Start, Now, "all");
        foreach (var budget in _budgets)
        {
            var selector = budget.Spec.Selector;
            var billed = budget.Namespaces.Aggregate(Amount.Zero, (sum, ns) =>
                sum + _operator.Ledger.Spent(ns, selector, whole.Start, whole.End, Now)
            );
            var cost = _all.Where(job => job.Budgets.Contains(budget)).Aggregate(Amount.Zero, (sum, job) => sum + job.SpentIn(whole, Now));
            if (billed != cost)
                Fail($"{budget.Name} is billed {billed}, and its jobs cost {cost}", null);
        }
    }

    private void Fail(string what, OrganisationJob? job)
    {
        var text = new System.Text.StringBuilder($"{When}: {what}");
        foreach (var budget in job?.Budgets ?? [])
        {
            var decision = _operator.Decisions.Get(budget.Entity);
            var verdict = decision?.Workloads.FirstOrDefault(one => one.Key == job!.Key);
            text.Append(
                $"\n  {budget.Name}: limit {decision?.Limit}, spent {budget.Spent(Now)}, reserved {decision?.Reserved}, {verdict?.State} {verdict?.Reason}: {verdict?.Sentence}"
            );
        }
        throw new Xunit.Sdk.XunitException(text.ToString());
    }
}
