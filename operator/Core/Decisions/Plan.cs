using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// A decision in progress: the snapshot, its sums, and the results of the rules so far. The rules (<see cref="DecisionRules"/>) read and
/// write it one after the other. A workload has at most one verdict. Not thread-safe.
/// </summary>
internal sealed class Plan(BudgetSnapshot budget, BudgetTotals totals, IReadOnlyList<CostedWorkload> workloads, BudgetMemory memory)
{
    private readonly HashSet<string> _stopping = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Amount> _namedLimits = new(StringComparer.Ordinal);
    private static readonly TimeSpan ContestWindow = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan ContestRetry = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan NewJobAge = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, (string Reason, string Sentence)> _verdicts = new(StringComparer.Ordinal);
    private readonly List<BudgetAction> _actions = [];
    private readonly HashSet<string> _suspending = new(StringComparer.Ordinal);
    private readonly HashSet<string> _withAction = new(StringComparer.Ordinal);
    private readonly HashSet<string> _contested = new(StringComparer.Ordinal);
    private readonly List<Announcement> _warnings = [];
    private readonly HashSet<string> _waitsForOthers = new(StringComparer.Ordinal);

    /// <summary>Prefix of the entries in the memory's announcements.</summary>
    private const string Waits = "waits:";
    private readonly List<Announcement> _announcements = [];
    private readonly SortedDictionary<string, CheckpointRequest> _requests = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, CheckpointRequest> _usedRequests = new(StringComparer.Ordinal);
    private CostedWorkload[]? _inResumeOrder;
    private Prospect? _prospect;

    public BudgetSnapshot Budget => budget;

    /// <summary>The sums before any rule has acted.</summary>
    public BudgetTotals Totals => totals;

    public IReadOnlyList<CostedWorkload> Workloads => workloads;

    /// <summary>The workloads that run or wait for a node. Filtered once, because each suspended workload is tested against them.</summary>
    public CostedWorkload[] Active { get; } =
    [.. workloads.Where(workload => workload.Snapshot.State is WorkloadState.Running or WorkloadState.Pending)];

    /// <summary>The memory, including the changes by the rules so far.</summary>
    public BudgetMemory Memory { get; set; } = memory;

    /// <summary>Whether the window has begun and not ended. Periodic and rolling windows are always open.</summary>
    public bool IsOpen { get; } =
        budget.Terms.Window.Period != WindowPeriod.Once || budget.Now >= budget.Window.Start && budget.Now < budget.Window.End;

    /// <summary>Whether the actions are carried out. Otherwise they are only reported.</summary>
    public bool IsEnforcing => !budget.Observes;

    /// <summary>The course of the budget after the verdicts. Set once every workload has its verdict.</summary>
    public Prospect Prospect
    {
        get => _prospect ?? throw new InvalidOperationException("The verdicts are not complete.");
        set => _prospect = value;
    }

    public IReadOnlyList<BudgetAction> Actions => _actions;

    /// <summary>New announcements of suspensions by forecast, which come after the settle time.</summary>
    public IReadOnlyList<Announcement> Warnings => _warnings;

    /// <summary>Whether the forecast suspends workloads after the settle time, announced now or before.</summary>
    public bool WarnsOfSuspensions { get; private set; }

    public IReadOnlyList<Announcement> Announcements => _announcements;

    /// <summary>In Observe mode: the actions that are reported for the first time.</summary>
    public IReadOnlyList<BudgetAction> Observed { get; set; } = [];

    /// <summary>The checkpoint requests of workloads that are not suspended yet, by UID.</summary>
    public IReadOnlyDictionary<string, CheckpointRequest> Requests => _requests;

    /// <summary>
    /// The open checkpoint requests and those of the workloads that this decision suspends. If such a suspension fails, the next evaluation
    /// suspends the workload without a second request.
    /// </summary>
    public IEnumerable<KeyValuePair<string, CheckpointRequest>> RememberedRequests => _requests.Concat(_usedRequests);

    public bool BreakerOpen { get; private set; }

    public List<string> Contested { get; } = [];

    public bool IsDecided(CostedWorkload workload) => _verdicts.ContainsKey(workload.Uid);

    public bool IsRequested(CostedWorkload workload) => _requests.ContainsKey(workload.Uid);

    public bool IsSuspending(CostedWorkload workload) => IsRequested(workload) || _suspending.Contains(workload.Uid);

    /// <summary>Since when each suspended workload has fitted the budget, by UID. An entry that no rule renews is forgotten.</summary>
    public SortedDictionary<string, DateTimeOffset> FitsSince { get; } = new(StringComparer.Ordinal);

    public bool SuspendsAny => _requests.Count > 0 || SuspendsNow;

    /// <summary>Whether this decision suspends a workload, rather than only requesting a checkpoint.</summary>
    public bool SuspendsNow => _suspending.Count > 0;

    /// <summary>
    /// Marks workloads that a rule is about to suspend together. The limit named for one of them then does not count the others as running.
    /// </summary>
    public void MarkStopping(IEnumerable<CostedWorkload> together)
    {
        foreach (var workload in together)
            _stopping.Add(workload.Uid);
    }

    /// <summary>Whether this decision suspends the workload or is about to.</summary>
    public bool IsStopping(CostedWorkload workload) => _stopping.Contains(workload.Uid) || IsSuspending(workload);

    /// <summary>The limit that each suspended workload needs by itself (<see cref="ResumeRule"/>), computed once per decision.</summary>
    public Dictionary<CostedWorkload, Amount> NeededAlone { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>The period in which a named limit must be enough (<see cref="ResumeRule"/>), computed once per decision.</summary>
    public ResumeRule.NamedPeriod? NamedLimitPeriod { get; set; }

    /// <summary>Returns all workloads in the order in which they resume, sorted once per decision.</summary>
    public CostedWorkload[] InResumeOrder(Func<IEnumerable<CostedWorkload>> sort) => _inResumeOrder ??= [.. sort()];

    public static Plan Begin(BudgetSnapshot budget)
    {
        var limit = BudgetDecider.LimitOf(budget);
        var workloads = CostedWorkload.From(budget);
        // A loan is no change of the limit by a user: it starts no settle time.
        var own = BudgetDecider.OwnLimitOf(budget);
        return new(budget, BudgetTotals.From(budget, limit, workloads), workloads, BudgetMemoryUpdate.Begin(budget, own));
    }

    private void Add(BudgetAction action)
    {
        _actions.Add(action);
        _withAction.Add(action.Workload.Uid);
        if (action.Kind == ActionKind.Suspend)
            _suspending.Add(action.Workload.Uid);
    }

    /// <summary>Records the limit that a message names as enough to run the workload now. Null removes it.</summary>
    public Amount? SetNamedLimit(CostedWorkload workload, Amount? limit)
    {
        if (limit is { } enough)
            _namedLimits[workload.Uid] = enough;
        else
            _namedLimits.Remove(workload.Uid);
        return limit;
    }

    public void Keep(CostedWorkload workload, string reason, string sentence) => _verdicts.TryAdd(workload.Uid, (reason, sentence));

    public bool IsDecidedToResume(CostedWorkload workload) =>
        _actions.Any(a => a.Kind == ActionKind.Resume && a.Workload.Uid == workload.Uid);

    /// <summary>Returns the workload as it is once this decision is carried out, or null if it is suspended then.</summary>
    public WorkloadSnapshot? After(CostedWorkload workload) =>
        workload.Snapshot switch
        {
            var snapshot when IsEnforcing && IsDecidedToResume(workload) => snapshot with
            {
                State = WorkloadState.Running,
                BurnRate = snapshot.Rate ?? HourlyCost.Zero,
                Suspension = null,
            },
            { State: WorkloadState.Running or WorkloadState.Pending } snapshot when !(IsEnforcing && IsSuspending(workload)) => snapshot,
            _ => null,
        };

    /// <summary>Whether another actor resumed a workload that this budget had suspended.</summary>
    public static bool WasReverted(CostedWorkload workload) =>
        workload.Snapshot is { Suspension.Confirmed: true, State: WorkloadState.Running or WorkloadState.Pending };

    /// <summary>Whether another actor keeps resuming a workload that this decision suspends.</summary>
    public bool IsContested(CostedWorkload workload) => _contested.Contains(workload.Uid);

    public void Suspend(CostedWorkload workload, string reason, string sentence, bool byForecast)
    {
        if (IsDecided(workload))
            return;
        var countsForBreaker = byForecast && CountsForBreaker(workload);
        var previous = workload.Snapshot.Suspension;
        if (previous is not null && previous.Reverted.Count(at => budget.Now - at <= ContestWindow) >= 2)
        {
            _contested.Add(workload.Uid);
            Contested.Add(workload.DisplayName + (previous.RevertedBy is { } by ? $" (by {by})" : ""));
            if (budget.Now - previous.Reverted[^1] < ContestRetry)
            {
                Keep(workload, Reasons.Contested, Messages.Contested(previous));
                return;
            }
        }
        var step = CheckpointRule.StepOf(workload, this);
        // A checkpoint request leads to a suspension, so the circuit breaker counts it as one.
        var stops =
            _actions.Count(a => a is { Kind: ActionKind.Suspend, CountsForBreaker: true })
            + (step == CheckpointStep.Request ? _requests.Values.Count(r => r.For.ByForecast) : 0);
        if (countsForBreaker && step != CheckpointStep.Wait && stops >= budget.BreakerAllowance)
        {
            BreakerOpen = true;
            Keep(workload, Reasons.BreakerOpen, Messages.BreakerOpen);
            return;
        }
        sentence = Messages.With(sentence, workload.Snapshot);
        if (workload.Snapshot.IsSuspendedByOtherBudget)
            sentence += Messages.AndOthers(workload.Snapshot);
        // A suspension that was decided and is not carried out yet keeps its record.
        var suspended = previous is { Confirmed: false }
            ? previous
            : new()
            {
                // The first suspension's time and reason stay, so that another actor cannot change the resume order by resuming the
                // workload. A workload that was suspended as idle had to be resumed by its user, so its next suspension has its own reason.
                Since = previous?.Since ?? budget.Now,
                Reason = previous is { Reason: not Reasons.SuspendedIdle } ? previous.Reason : reason,
                WindowKey = budget.Window.Key,
                Limit = totals.Limit,
                Freed = Memory.Freed,
                Raised = Memory.Raised,
                Spent = budget.Spent,
                Available = totals.Available,
                Rate = workload.Snapshot.Rate,
                Margin = NeededAlone.TryGetValue(workload, out var alone) ? totals.Limit - alone : null,
                FitResumes = previous?.FitResumes
                    ?? (budget.Memory.Admitted.TryGetValue(workload.Uid, out var admission) ? admission.FitResumes : 0),
                EnoughLimit = _namedLimits.TryGetValue(workload.Uid, out var enough) ? enough : null,
                ByForecast = countsForBreaker,
                Approved = workload.Snapshot.ResumeApproved,
                Reverted = previous?.Reverted ?? [],
                RevertedBy = previous?.RevertedBy,
            };
        var request = CheckpointRule.RequestOf(workload.Snapshot, budget);
        if (step != CheckpointStep.Stop)
        {
            // An open request keeps its deadline, even if another rule now suspends the workload.
            request ??= CheckpointRule.Make(budget, workload.Snapshot, sentence, suspended with { Reason = reason });
            if (request.For.ByForecast && !byForecast)
                request = request with { Sentence = sentence, For = suspended with { Reason = reason } };
            _requests[workload.Uid] = request;
            SetNamedLimit(workload, request.For.EnoughLimit);
            _verdicts[workload.Uid] = (Reasons.CheckpointRequested, Messages.CheckpointAwaited(workload, request, budget));
            return;
        }
        if (request is not null)
            _usedRequests[workload.Uid] = request;
        sentence += Messages.CheckpointOutcome(workload, request, budget);
        _verdicts[workload.Uid] = (reason, sentence);
        Add(
            new()
            {
                Kind = ActionKind.Suspend,
                Workload = workload.Snapshot.Key,
                Class = workload.Snapshot.Class,
                Reason = reason,
                Sentence = sentence,
                CostToFinish = workload.Cost.Likely,
                ByForecast = byForecast,
                CountsForBreaker = countsForBreaker,
                IsSuspendedByOtherBudget = workload.Snapshot.IsSuspendedByOtherBudget,
                IsAgain = WasReverted(workload),
                Suspension = request is null ? suspended : suspended with { CheckpointRequestedAt = request.Requested },
            }
        );
    }

    public void Announce(Announcement announcement) => _announcements.Add(announcement);

    public void RequestCheckpoint(CostedWorkload workload, CheckpointRequest request) =>
        Add(
            new()
            {
                Kind = ActionKind.RequestCheckpoint,
                Workload = workload.Snapshot.Key,
                Class = workload.Snapshot.Class,
                Reason = request.For.Reason,
                Sentence = Messages.CheckpointAwaited(workload, request, budget),
                CostToFinish = workload.Cost.Likely,
                ByForecast = request.For.ByForecast,
                Checkpoint = request,
                CheckpointId = request.Id,
            }
        );

    /// <summary>Withdraws a checkpoint request, or removes the annotation of a request that no longer exists.</summary>
    public void WithdrawCheckpoint(CostedWorkload workload, CheckpointRequest? request, string id) =>
        Add(
            new()
            {
                Kind = ActionKind.WithdrawCheckpoint,
                Workload = workload.Snapshot.Key,
                Class = workload.Snapshot.Class,
                Reason = Reasons.CheckpointWithdrawn,
                Sentence = Messages.CheckpointWithdrawn(budget, totals),
                CostToFinish = workload.Cost.Likely,
                Checkpoint = request,
                CheckpointId = id,
            }
        );

    /// <summary>
    /// Whether the suspension counts for the circuit breaker. It does not if another budget has already suspended the workload, or if the
    /// job is new and was never admitted. Otherwise a burst of new jobs would open the breaker and run.
    /// </summary>
    private bool CountsForBreaker(CostedWorkload workload) =>
        !workload.Snapshot.IsSuspendedByOtherBudget
        && (
            workload.Snapshot.Suspension is not null
            || budget.Memory.Admitted.ContainsKey(workload.Uid)
            || budget.Now - workload.Snapshot.CreatedAt > NewJobAge
        );

    /// <summary>Leaves a workload suspended that this budget covers and another one does not. Announced once while that lasts.</summary>
    public void WaitForOthers(CostedWorkload workload)
    {
        _waitsForOthers.Add(workload.Uid);
        var sentence = Messages.WaitsForOthers(workload, budget);
        Keep(workload, Reasons.SuspendedByOtherBudget, sentence);
        if (!budget.Observes && !budget.Memory.Announced.Contains(Waits + workload.Uid))
            Announce(
                new(
                    Reasons.SuspendedByOtherBudget,
                    $"{budget.Window.Key}/{budget.Now.ToUnixTimeSeconds()}",
                    sentence,
                    Warning: false,
                    workload.Snapshot.Key
                )
            );
    }

    /// <summary>Remembers which workloads wait for other budgets, so that each is announced once.</summary>
    public void RememberWaits()
    {
        string[] announced =
        [
            .. Memory.Announced.Where(entry => !entry.StartsWith(Waits, StringComparison.Ordinal)),
            .. _waitsForOthers.Select(uid => Waits + uid).Order(StringComparer.Ordinal),
        ];
        if (!announced.SequenceEqual(Memory.Announced))
            Memory = Memory with { Announced = announced };
    }

    public void Resume(CostedWorkload workload, string reason, string sentence)
    {
        _verdicts[workload.Uid] = (reason, sentence);
        Add(
            new()
            {
                Kind = ActionKind.Resume,
                Workload = workload.Snapshot.Key,
                Class = workload.Snapshot.Class,
                Reason = reason,
                Sentence = sentence,
                CostToFinish = workload.Cost.Likely,
            }
        );
    }

    /// <summary>Returns the running workloads whose suspension record is out of date.</summary>
    public IReadOnlyList<WorkloadKey> StaleRecords() =>
        [
            .. Workloads
                .Where(workload => WasReverted(workload) && !IsSuspending(workload) && !IsContested(workload) && !IsInDoubt(workload))
                .Select(workload => workload.Snapshot.Key),
        ];

    /// <summary>
    /// Whether it is undecided if the workload may run, because forecasts pause or it waits in a queue. Its record stays until that is
    /// decided.
    /// </summary>
    private bool IsInDoubt(CostedWorkload workload) =>
        workload.IsActiveJob
        && (budget.ForecastDoubt is not null || workload.Snapshot.Estimate.Stale || workload.Snapshot.QueuedIn is not null);

    /// <summary>Warns of suspensions after the settle time. Published once, when a workload is named for the first time.</summary>
    public void Warn(string reason, string key, string sentence, IReadOnlyCollection<CostedWorkload> about)
    {
        WarnsOfSuspensions = true;
        if (about.FirstOrDefault(workload => !budget.Memory.SuspensionsAnnounced.ContainsKey(workload.Uid)) is not { } named)
            return;
        _warnings.Add(
            new(reason, $"{key}/{named.Uid}", sentence, Warning: true)
            {
                About = budget.Observes ? [] : [.. about.Select(workload => workload.Snapshot.Key).Take(GrowthRisk.MostWorkloads)],
            }
        );
    }

    public IReadOnlyList<WorkloadVerdict> Verdicts() =>
        [
            .. Workloads.Select(workload =>
            {
                var (reason, sentence) = _verdicts.TryGetValue(workload.Uid, out var found) ? found : DefaultVerdict(workload);
                if (workload.Snapshot.State == WorkloadState.SuspendedByBudget && !_withAction.Contains(workload.Uid))
                    sentence = Messages.With(sentence, workload.Snapshot);
                if (budget.Observes)
                    sentence =
                        Messages.Observed(sentence)
                        + (
                            workload.Snapshot.State == WorkloadState.SuspendedByBudget && budget.ReleasedAt is null
                                ? Messages.NothingResumes
                                : ""
                        );
                var counts = workload.Snapshot.State is WorkloadState.Running or WorkloadState.Pending;
                // A job of known duration counts to its likely end, everything else as in the projection.
                var toCome =
                    workload.Cost.DurationKnown || !counts ? workload.Cost.Likely : Prospect.Now.ToCome.GetValueOrDefault(workload.Uid);
                return new WorkloadVerdict
                {
                    Key = workload.Snapshot.Key,
                    Class = workload.Snapshot.Class,
                    State = workload.Snapshot.State,
                    Gpus = workload.Snapshot.Gpus,
                    Rate = workload.Snapshot.Rate,
                    Spent = workload.Snapshot.Spent,
                    CostToFinish = toCome,
                    Projected = counts ? workload.Snapshot.Spent + toCome : workload.Snapshot.Spent,
                    Estimate = workload.Snapshot.Estimate,
                    MeteredBy = workload.Snapshot.MeteredBy,
                    IdleSince = IdleRule.IdleSince(workload.Snapshot, budget),
                    Reason = reason,
                    Sentence =
                        workload.Snapshot.State == WorkloadState.SuspendedByBudget
                        && !IsDecidedToResume(workload)
                        && !_waitsForOthers.Contains(workload.Uid)
                            ? sentence + Messages.AndOthers(workload.Snapshot)
                            : sentence,
                    OtherBudgets = workload.Snapshot.IsSuspendedByOtherBudget ? workload.Snapshot.OtherBudgets : null,
                    WaitsForOthers = _waitsForOthers.Contains(workload.Uid),
                    EnoughLimit = _namedLimits.TryGetValue(workload.Uid, out var limit) ? limit : null,
                    UnitCosts = workload.Snapshot.UnitCosts,
                };
            }),
        ];

    private (string Reason, string Sentence) DefaultVerdict(CostedWorkload workload)
    {
        var reason = workload.Snapshot switch
        {
            { State: WorkloadState.SuspendedByOther } => Reasons.SuspendedByOther,
            { IsSuspendedByOtherBudget: true } or { NotCoveredBy: not null, State: WorkloadState.Running, IgnoresSuspension: false } =>
                Reasons.SuspendedByOtherBudget,
            { Rate: null } => Reasons.Unpriced,
            { Exempt: true } => Reasons.Exempt,
            { NotSuspendable: not null } => Reasons.NotSuspendable,
            { Class: WorkloadClass.Interactive } when !workload.Suspendable => Reasons.NotSuspendable,
            { Class: WorkloadClass.Inference } when !workload.Suspendable => Reasons.MinimumReplicas,
            { QueuedIn: not null } => Reasons.Queued,
            _ when BudgetTotals.ReleasesReservation(workload.Snapshot, budget) => Reasons.ReservationReleased,
            _ => Reasons.Fits,
        };
        return (reason, Messages.Kept(workload, reason, budget));
    }
}
