using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Tests.TestKit;

/// <summary>A budget in virtual time: decisions are carried out, running work spends and comes nearer to its end.</summary>
public sealed class LivingBudget(BudgetSnapshot budget)
{
    private static readonly TimeSpan Pass = TimeSpan.FromSeconds(5);

    private readonly List<string> _log = [];

    /// <summary>The percentage of a pass by which each job's estimate falls, 100 by default. Less is an estimate that grows.</summary>
    private readonly Dictionary<string, int> _pace = new(StringComparer.Ordinal);

    public BudgetSnapshot Budget { get; private set; } = budget;

    /// <summary>Whether workloads acknowledge a request for a checkpoint in the pass that follows it.</summary>
    public bool Acknowledges { get; init; }

    /// <summary>The log of actions, for a failing seed.</summary>
    public string Log => string.Join('\n', _log);

    public void Raise(Amount limit) => Budget = Budget with { Terms = Budget.Terms with { Limit = limit } };

    public void Approve(string uid) =>
        Budget = Budget with
        {
            Workloads =
            [
                .. Budget.Workloads.Select(work =>
                    work.Key.Uid == uid && Budget.Terms.Resume == ResumePolicy.Manual ? work with { ResumeApproved = true } : work
                ),
            ],
        };

    /// <summary>Changes the inputs of the next decision.</summary>
    public void Change(BudgetSnapshot changed)
    {
        Budget = changed with { BurnRate = changed.Workloads.Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate) };
        _log.Add(
            $"{Budget.Now:dd HH:mm:ss} changed: limit {Budget.Terms.Limit}; {string.Join(", ", Budget.Workloads.Where(work => work.State == WorkloadState.Running).Select(work => $"{work.Key.Name} {work.Rate}/h {work.Estimate.Low:g} {work.Estimate.Likely:g} {work.Estimate.High:g}"))}"
        );
    }

    public void Slow(string uid, int percent) => _pace[uid] = percent;

    public bool Runs(string uid) =>
        Budget.Workloads.All(work => work.Key.Uid != uid || work.State is WorkloadState.Running or WorkloadState.Pending);

    public BudgetDecision Turn(TimeSpan? time = null)
    {
        var decision = BudgetDecider.Decide(Budget);
        // A budget is evaluated again as soon as its work changes or runs past its declared duration, and exactly when a window begins or
        // ends.
        var pass = decision.Actions.Count == 0 && time is { } quiet ? quiet : Pass;
        if (Window.NextEdge(Budget.Terms.Window, Budget.Now) is { } edge && edge - Budget.Now < pass)
            pass = edge - Budget.Now;
        foreach (var work in Budget.Workloads)
            if (
                work is { State: WorkloadState.Running, Estimate.Source: EstimateSource.Declared }
                && work.BurnRate > HourlyCost.Zero
                && work.Estimate.Likely > TimeSpan.Zero
                && work.Estimate.Likely < pass
            )
                pass = work.Estimate.Likely;
        _log.AddRange(decision.Announcements.Select(one => $"{Budget.Now:dd HH:mm:ss} {one.Reason}: {one.Sentence}"));
        _log.AddRange(
            decision.Actions.Select(action =>
                $"{Budget.Now:dd HH:mm:ss} {action.Kind} {action.Workload.Name} ({action.Reason}): {action.Sentence}"
            )
        );
        var actions = decision
            .Actions.Where(action => action.Kind is ActionKind.Suspend or ActionKind.Resume)
            .ToDictionary(action => action.Workload.Uid);
        var requests = decision
            .Actions.Where(action => action.Kind is ActionKind.RequestCheckpoint or ActionKind.WithdrawCheckpoint)
            .ToDictionary(action => action.Workload.Uid);
        var works = new List<WorkloadSnapshot>();
        var spent = Amount.Zero;
        foreach (var one in Budget.Workloads)
        {
            var work = actions.TryGetValue(one.Key.Uid, out var action)
                ? action.Kind == ActionKind.Suspend
                    ? one with
                    {
                        State = WorkloadState.SuspendedByBudget,
                        BurnRate = HourlyCost.Zero,
                        Suspension = action.Suspension! with { Confirmed = true },
                        Estimate = one.EstimateAfterResume ?? one.Estimate,
                        EstimateAfterResume = null,
                        CheckpointAnnotation = null,
                    }
                    : one with
                    {
                        State = WorkloadState.Running,
                        BurnRate = one.Rate ?? HourlyCost.Zero,
                        Suspension = null,
                    }
                : requests.TryGetValue(one.Key.Uid, out var request)
                    ? request.Kind == ActionKind.RequestCheckpoint
                        ? one with
                        {
                            CheckpointAnnotation = request.CheckpointId,
                            CheckpointAcknowledged = Acknowledges ? request.CheckpointId : null,
                        }
                        : one with
                        {
                            CheckpointAnnotation = null,
                        }
                    : one;
            if (action?.Kind == ActionKind.Suspend)
                spent += one.BurnRate.For(TimeSpan.FromSeconds(30));
            var burns = work.BurnRate.For(pass);
            spent += burns;
            if (work.State == WorkloadState.Running && work.BurnRate > HourlyCost.Zero && work.Estimate.IsKnown)
            {
                var worked = pass * (_pace.GetValueOrDefault(work.Key.Uid, 100) / 100.0);
                // A declared duration does not describe a job that runs on past it.
                var ends = work.Estimate.Likely <= worked;
                if (ends && work.Estimate.Source != EstimateSource.Declared)
                    continue;
                work = work with
                {
                    Estimate = ends
                        ? Estimate.Unknown("it has run longer than its expected-duration")
                        : work.Estimate with
                        {
                            Low = Less(work.Estimate.Low, worked),
                            Likely = Less(work.Estimate.Likely, worked),
                            High = Less(work.Estimate.High, worked),
                        },
                };
            }
            works.Add(work with { Spent = work.Spent + burns });
        }
        Pay(spent, pass);
        if (Budget.Spent.Units == 0)
            works = [.. works.Select(work => work with { Spent = Amount.Zero })];
        Budget = Budget with
        {
            Workloads = works,
            Memory = decision.Memory,
            BurnRate = works.Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate),
        };
        return decision;
    }

    /// <summary>
    /// Spends an amount evenly over a pass. A calendar window that ends drops its spending, a rolling one drops the oldest.
    /// </summary>
    private void Pay(Amount amount, TimeSpan pass)
    {
        var now = Budget.Now + pass;
        var window = Window.At(Budget.Terms.Window, now);
        if (Budget.Terms.Window.Period != WindowPeriod.Rolling)
        {
            Budget = Budget with
            {
                Now = now,
                Window = window,
                Spent = window.Key == Budget.Window.Key ? Budget.Spent + amount : Amount.Zero,
            };
            return;
        }
        var rate = new HourlyCost((long)(amount.Units / (Int128)pass.TotalMilliseconds));
        List<SpendSegment> spend = [.. Budget.RollingSpend.Where(past => past.To > window.Start)];
        if (spend.Count > 0 && spend[^1].To == Budget.Now && spend[^1].RatePerHour == rate)
            spend[^1] = spend[^1] with { To = now };
        else
            spend.Add(new(Budget.Now, now, rate));
        Budget = Budget with { Now = now, Window = window, RollingSpend = spend, Spent = RollingSum.At(spend, window.Length, now) };
    }

    private static TimeSpan Less(TimeSpan value, TimeSpan by) => value > by ? value - by : TimeSpan.Zero;
}
