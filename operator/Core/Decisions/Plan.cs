using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// A decision while it is made: the snapshot with its sums, and the results of the rules so far. A workload has at most one verdict. The rules
/// (<see cref="DecisionRules"/>) read it and write to it, one after the other.
/// </summary>
internal sealed class Plan(BudgetSnapshot budget, BudgetTotals balance, IReadOnlyList<CostedWorkload> work, BudgetMemory memory)
{
    private readonly HashSet<string> _leaving = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Amount> _enough = new(StringComparer.Ordinal);
    private static readonly TimeSpan ContestWindow = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan ContestRetry = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan JustCome = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, (string Reason, string Sentence)> _found = new(StringComparer.Ordinal);
    private readonly List<BudgetAction> _actions = [];
    private readonly HashSet<string> _suspending = new(StringComparer.Ordinal);
    private readonly HashSet<string> _acted = new(StringComparer.Ordinal);
    private readonly HashSet<string> _contested = new(StringComparer.Ordinal);
    private readonly List<Announcement> _warnings = [];
    private readonly List<Announcement> _announcements = [];
    private readonly SortedDictionary<string, CheckpointRequest> _requests = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, CheckpointRequest> _spent = new(StringComparer.Ordinal);
    private CostedWorkload[]? _inOrder;
    private Prospect? _prospect;

    public BudgetSnapshot Budget => budget;

    /// <summary>The sums before any rule has acted.</summary>
    public BudgetTotals Totals => balance;

    /// <summary>All workloads with their charges.</summary>
    public IReadOnlyList<CostedWorkload> Work => work;

    /// <summary>The workloads that run or wait for a node, filtered once because each suspended workload is tested against them.</summary>
    public CostedWorkload[] Active { get; } = [.. work.Where(item => item.Work.State is WorkloadState.Running or WorkloadState.Pending)];

    /// <summary>The memory as the rules so far have left it.</summary>
    public BudgetMemory Memory { get; set; } = memory;

    /// <summary>Whether the window has begun and not ended.</summary>
    public bool IsOpen { get; } =
        budget.Terms.Window.Period != WindowPeriod.Once || budget.Now >= budget.Window.Start && budget.Now < budget.Window.End;

    /// <summary>Whether the actions are carried out; otherwise they are only reported.</summary>
    public bool IsEnforcing => !budget.Observes;

    /// <summary>The course of the budget after the verdicts. It is set once all workloads have theirs.</summary>
    public Prospect Prospect
    {
        get => _prospect ?? throw new InvalidOperationException("The verdicts are not complete.");
        set => _prospect = value;
    }

    public IReadOnlyList<BudgetAction> Actions => _actions;

    /// <summary>The announcements of suspensions by a rule of the verdicts.</summary>
    public IReadOnlyList<Announcement> Warnings => _warnings;

    public IReadOnlyList<Announcement> Announcements => _announcements;

    /// <summary>In Observe mode: the actions that are reported for the first time.</summary>
    public IReadOnlyList<BudgetAction> Observed { get; set; } = [];

    /// <summary>Who is asked for a checkpoint and not suspended yet, by UID.</summary>
    public IReadOnlyDictionary<string, CheckpointRequest> Requests => _requests;

    /// <summary>
    /// With those whose work is suspended now: should the write come to nothing, it is suspended at the next turn and not asked again.
    /// </summary>
    public IEnumerable<KeyValuePair<string, CheckpointRequest>> RememberedRequests => _requests.Concat(_spent);

    public bool BreakerOpen { get; private set; }

    public List<string> Contested { get; } = [];

    public bool IsDecided(CostedWorkload item) => _found.ContainsKey(item.Work.Key.Uid);

    public bool IsRequested(CostedWorkload item) => _requests.ContainsKey(item.Work.Key.Uid);

    public bool IsSuspending(CostedWorkload item) => IsRequested(item) || _suspending.Contains(item.Work.Key.Uid);

    /// <summary>Since when suspended work has fitted, carried on from the memory: what is not noted here anew is forgotten.</summary>
    public SortedDictionary<string, DateTimeOffset> FitsSince { get; } = new(StringComparer.Ordinal);

    public bool SuspendsAny => _requests.Count > 0 || SuspendsNow;

    /// <summary>Some work is suspended by this decision, and not only asked for a checkpoint.</summary>
    public bool SuspendsNow => _suspending.Count > 0;

    /// <summary>
    /// Marks work that a rule is about to suspend together, so that the amounts named for one of them do not count the others as running.
    /// </summary>
    public void Expect(IEnumerable<CostedWorkload> leaving)
    {
        foreach (var item in leaving)
            _leaving.Add(item.Work.Key.Uid);
    }

    /// <summary>Suspended by this decision, or about to be.</summary>
    public bool IsLeaving(CostedWorkload item) => _leaving.Contains(item.Work.Key.Uid) || IsSuspending(item);

    /// <summary>The amount that each suspended workload needs by itself (<see cref="ResumeRule"/>), computed once a decision.</summary>
    public Dictionary<CostedWorkload, Amount> NeededAlone { get; } = new(ReferenceEqualityComparer.Instance);

    /// <summary>
    /// The course of the time in which a named limit must be enough (<see cref="ResumeRule"/>), computed once a decision.
    /// </summary>
    public ResumeRule.Course? Course { get; set; }

    /// <summary>All workloads in the order in which they resume, sorted once a decision.</summary>
    public CostedWorkload[] InOrder(Func<IEnumerable<CostedWorkload>> sort) => _inOrder ??= [.. sort()];

    public static Plan Begin(BudgetSnapshot budget)
    {
        var limit = BudgetDecider.LimitOf(budget);
        var work = CostedWorkload.Of(budget);
        return new(budget, BudgetTotals.Of(budget, limit, work), work, BudgetMemoryUpdate.Begin(budget, limit));
    }

    private void Add(BudgetAction action)
    {
        _actions.Add(action);
        _acted.Add(action.Workload.Uid);
        if (action.Kind == ActionKind.Suspend)
            _suspending.Add(action.Workload.Uid);
    }

    /// <summary>Notes the limit that a message names as enough to run the work now; null where it names none.</summary>
    public Amount? NameLimit(CostedWorkload item, Amount? limit)
    {
        if (limit is { } enough)
            _enough[item.Work.Key.Uid] = enough;
        else
            _enough.Remove(item.Work.Key.Uid);
        return limit;
    }

    public void Keep(CostedWorkload item, string reason, string sentence) => _found.TryAdd(item.Work.Key.Uid, (reason, sentence));

    private bool IsDecidedToResume(CostedWorkload item) =>
        _actions.Any(a => a.Kind == ActionKind.Resume && a.Workload.Uid == item.Work.Key.Uid);

    /// <summary>A workload as it is once this decision is carried out; null if it is suspended then.</summary>
    public WorkloadSnapshot? After(CostedWorkload item) =>
        item.Work switch
        {
            var one when IsEnforcing && IsDecidedToResume(item) => one with
            {
                State = WorkloadState.Running,
                BurnRate = one.Rate ?? HourlyCost.Zero,
                Suspension = null,
            },
            { State: WorkloadState.Running or WorkloadState.Pending } one when !(IsEnforcing && IsSuspending(item)) => one,
            _ => null,
        };

    /// <summary>Someone else resumed what this budget had suspended.</summary>
    public static bool WasReverted(CostedWorkload item) =>
        item.Work is { Suspension.Confirmed: true, State: WorkloadState.Running or WorkloadState.Pending };

    /// <summary>Returns whether someone else keeps resuming a workload that this decision suspends.</summary>
    public bool IsContested(CostedWorkload item) => _contested.Contains(item.Work.Key.Uid);

    public void Suspend(CostedWorkload item, string reason, string sentence, bool byForecast)
    {
        if (IsDecided(item))
            return;
        var brakes = byForecast && StopsWork(item);
        var before = item.Work.Suspension;
        if (before is not null && before.Reverted.Count(at => budget.Now - at <= ContestWindow) >= 2)
        {
            _contested.Add(item.Work.Key.Uid);
            Contested.Add($"{item.Work.Key.Kind}/{item.Work.Key.Name}" + (before.RevertedBy is { } by ? $" (by {by})" : ""));
            if (budget.Now - before.Reverted[^1] < ContestRetry)
            {
                Keep(item, Reasons.Contested, Messages.Contested(before));
                return;
            }
        }
        var step = CheckpointRule.StepOf(item, this);
        // What is asked for now will be suspended: it counts like a suspension.
        var stops =
            _actions.Count(a => a is { Kind: ActionKind.Suspend, CountsForBreaker: true })
            + (step == CheckpointStep.Request ? _requests.Values.Count(r => r.For.ByForecast) : 0);
        if (brakes && step != CheckpointStep.Wait && stops >= budget.BreakerAllowance)
        {
            BreakerOpen = true;
            Keep(item, Reasons.BreakerOpen, Messages.BreakerOpen);
            return;
        }
        sentence = Messages.With(sentence, item.Work);
        if (item.Work.IsSuspendedByOtherBudget)
            sentence += Messages.AndOthers(item.Work);
        // What was decided and not yet done stays as it was decided.
        var suspended = before is { Confirmed: false }
            ? before
            : new()
            {
                // Since and the reason stay the first suspension's: the order of resumes must not be lost to whoever undoes it.
                Since = before?.Since ?? budget.Now,
                Reason = before?.Reason ?? reason,
                WindowKey = budget.Window.Key,
                Limit = balance.Limit,
                Freed = Memory.Freed,
                Raised = Memory.Raised,
                Spent = budget.Spent,
                Available = balance.Available,
                Rate = item.Work.Rate,
                Margin = NeededAlone.TryGetValue(item, out var alone) ? balance.Limit - alone : null,
                FitResumes = before?.FitResumes
                    ?? (budget.Memory.Admitted.TryGetValue(item.Work.Key.Uid, out var admission) ? admission.FitResumes : 0),
                EnoughLimit = _enough.TryGetValue(item.Work.Key.Uid, out var enough) ? enough : null,
                ByForecast = brakes,
                Approved = item.Work.ResumeApproved,
                Reverted = before?.Reverted ?? [],
                RevertedBy = before?.RevertedBy,
            };
        var request = CheckpointRule.RequestOf(item.Work, budget);
        if (step != CheckpointStep.Stop)
        {
            // One that waits keeps its time, also where another rule asks for it now.
            request ??= CheckpointRule.Make(budget, item.Work, sentence, suspended with { Reason = reason });
            if (request.For.ByForecast && !byForecast)
                request = request with { Sentence = sentence, For = suspended with { Reason = reason } };
            _requests[item.Work.Key.Uid] = request;
            NameLimit(item, request.For.EnoughLimit);
            _found[item.Work.Key.Uid] = (Reasons.CheckpointRequested, Messages.CheckpointAwaited(item, request, budget));
            return;
        }
        if (request is not null)
            _spent[item.Work.Key.Uid] = request;
        sentence += Messages.CheckpointOutcome(item, request, budget);
        _found[item.Work.Key.Uid] = (reason, sentence);
        Add(
            new()
            {
                Kind = ActionKind.Suspend,
                Workload = item.Work.Key,
                Class = item.Work.Class,
                Reason = reason,
                Sentence = sentence,
                CostToFinish = item.Cost.Likely,
                ByForecast = byForecast,
                CountsForBreaker = brakes,
                IsSuspendedByOtherBudget = item.Work.IsSuspendedByOtherBudget,
                IsAgain = WasReverted(item),
                Suspension = request is null ? suspended : suspended with { CheckpointRequestedAt = request.Requested },
            }
        );
    }

    public void Announce(Announcement announcement) => _announcements.Add(announcement);

    /// <summary>Asks the workload for a checkpoint.</summary>
    public void RequestCheckpoint(CostedWorkload item, CheckpointRequest request) =>
        Add(
            new()
            {
                Kind = ActionKind.RequestCheckpoint,
                Workload = item.Work.Key,
                Class = item.Work.Class,
                Reason = request.For.Reason,
                Sentence = Messages.CheckpointAwaited(item, request, budget),
                CostToFinish = item.Cost.Likely,
                ByForecast = request.For.ByForecast,
                Checkpoint = request,
                CheckpointId = request.Id,
            }
        );

    /// <summary>Takes a request back, or the mirror of one that is no more.</summary>
    public void WithdrawCheckpoint(CostedWorkload item, CheckpointRequest? request, string id) =>
        Add(
            new()
            {
                Kind = ActionKind.WithdrawCheckpoint,
                Workload = item.Work.Key,
                Class = item.Work.Class,
                Reason = Reasons.CheckpointWithdrawn,
                Sentence = Messages.CheckpointWithdrawn(budget, balance),
                CostToFinish = item.Cost.Likely,
                Checkpoint = request,
                CheckpointId = id,
            }
        );

    /// <summary>
    /// Suspending what another budget has stopped already stops nothing more; holding a job that has just come and was never admitted
    /// throws away nothing. Neither is what the brake is for: else a crowd that comes at once would run instead of waiting.
    /// </summary>
    private bool StopsWork(CostedWorkload item) =>
        !item.Work.IsSuspendedByOtherBudget
        && (
            item.Work.Suspension is not null
            || budget.Memory.Admitted.ContainsKey(item.Work.Key.Uid)
            || budget.Now - item.Work.CreatedAt > JustCome
        );

    public void Resume(CostedWorkload item, string reason, string sentence)
    {
        _found[item.Work.Key.Uid] = (reason, sentence);
        Add(
            new()
            {
                Kind = ActionKind.Resume,
                Workload = item.Work.Key,
                Class = item.Work.Class,
                Reason = reason,
                Sentence = sentence,
                CostToFinish = item.Cost.Likely,
            }
        );
    }

    /// <summary>Running work whose record of a suspension is out of date.</summary>
    public IReadOnlyList<WorkloadKey> DropRecord() =>
        [.. Work.Where(w => WasReverted(w) && !IsSuspending(w) && !IsContested(w) && !IsInDoubt(w)).Select(w => w.Work.Key)];

    /// <summary>
    /// While nothing can be foreseen, or it waits in a queue, nobody knows whether it may run: its record stays until that is known.
    /// </summary>
    private bool IsInDoubt(CostedWorkload item) =>
        item.IsActiveJob && (budget.ForecastDoubt is not null || item.Work.Estimate.Stale || item.Work.QueuedIn is not null);

    public void Warn(string reason, string key, string sentence, IEnumerable<CostedWorkload> about) =>
        _warnings.Add(
            new(reason, key, sentence, Warning: true)
            {
                About = budget.Observes ? [] : [.. about.Select(item => item.Work.Key).Take(GrowthRisk.MostWorkloads)],
            }
        );

    public IReadOnlyList<WorkloadVerdict> Verdicts() =>
        [
            .. Work.Select(item =>
            {
                var (reason, sentence) = _found.TryGetValue(item.Work.Key.Uid, out var found) ? found : Unasked(item);
                if (item.Work.State == WorkloadState.SuspendedByBudget && !_acted.Contains(item.Work.Key.Uid))
                    sentence = Messages.With(sentence, item.Work);
                if (budget.Observes)
                    sentence =
                        Messages.Observed(sentence)
                        + (item.Work.State == WorkloadState.SuspendedByBudget && budget.ReleasedAt is null ? Messages.NothingResumes : "");
                var counts = item.Work.State is WorkloadState.Running or WorkloadState.Pending;
                // A job of known length is shown at its likely end; everything else as the projection counts it.
                var toCome = item.Cost.KnownLength || !counts ? item.Cost.Likely : Prospect.Now.ToCome.GetValueOrDefault(item.Work.Key.Uid);
                return new WorkloadVerdict
                {
                    Key = item.Work.Key,
                    Class = item.Work.Class,
                    State = item.Work.State,
                    Gpus = item.Work.Gpus,
                    Rate = item.Work.Rate,
                    Spent = item.Work.Spent,
                    CostToFinish = toCome,
                    Projected = counts ? item.Work.Spent + toCome : item.Work.Spent,
                    Estimate = item.Work.Estimate,
                    MeteredBy = item.Work.MeteredBy,
                    Reason = reason,
                    Sentence =
                        item.Work.State == WorkloadState.SuspendedByBudget && !IsDecidedToResume(item)
                            ? sentence + Messages.AndOthers(item.Work)
                            : sentence,
                    OtherBudgets = item.Work.IsSuspendedByOtherBudget ? item.Work.OtherBudgets : null,
                    EnoughLimit = _enough.TryGetValue(item.Work.Key.Uid, out var limit) ? limit : null,
                    UnitCosts = item.Work.UnitCosts,
                };
            }),
        ];

    private (string Reason, string Sentence) Unasked(CostedWorkload item)
    {
        var reason = item.Work switch
        {
            { State: WorkloadState.SuspendedByOther } => Reasons.SuspendedByOther,
            { IsSuspendedByOtherBudget: true } => Reasons.SuspendedByOtherBudget,
            { Rate: null } => Reasons.Unpriced,
            { Exempt: true } => Reasons.Exempt,
            { NotSuspendable: not null } => Reasons.NotSuspendable,
            { Class: WorkloadClass.Interactive } when !item.Suspendable => Reasons.NotSuspendable,
            { Class: WorkloadClass.Inference } when !item.Suspendable => Reasons.MinimumReplicas,
            { QueuedIn: not null } => Reasons.Queued,
            _ when BudgetTotals.ReleasesReservation(item.Work, budget) => Reasons.ReservationReleased,
            _ => Reasons.Fits,
        };
        return (reason, Messages.Kept(item, reason, budget));
    }
}
