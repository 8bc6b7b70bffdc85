using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Something that would turn the verdict on a workload around.</summary>
public abstract record Change
{
    /// <summary>A higher limit, or a top-up of this window: the amount that the message names.</summary>
    public sealed record RaiseLimit(Amount By, Amount To) : Change;

    /// <summary>For work that may run: the highest limit at which it would be suspended.</summary>
    public sealed record LowerLimit(Amount By, Amount To) : Change;

    /// <summary>
    /// Other work comes to its end, at the likely end of its estimate, and spends until then what it was foreseen to spend.
    /// </summary>
    public sealed record LetFinish(WorkloadKey Work, DateTimeOffset At) : Change;

    /// <summary>Other work is ended now, and what was reserved for it is free.</summary>
    public sealed record EndNow(WorkloadKey Work, Amount Frees) : Change;

    /// <summary>The next window begins.</summary>
    public sealed record NextWindow(DateTimeOffset At) : Change;

    /// <summary>The owner approves its resume.</summary>
    public sealed record Approve : Change;
}

/// <summary>
/// What would turn a verdict around, found by asking the decider again with a changed snapshot: so it is true of whatever rules
/// the decider has. Pure. A higher limit is the one that the decision's message names (<see cref="ResumeRule.NamedLimit"/>), since the
/// least that would do is not enough a minute later. A lower limit is found by bisection, to the cent.
/// </summary>
public static class WhatWouldChange
{
    private static readonly Amount Cent = Amount.FromDecimal(0.01m);

    /// <summary>What is looked at beyond the limit: work that ends or may be ended.</summary>
    private const int MostOthers = 20;

    /// <summary>
    /// Whether the workload runs once the decision has been carried out, with all that follows from it while nothing else
    /// changes: work comes back one at a time, so its turn may be some decisions away.
    /// </summary>
    public static bool MayRun(BudgetSnapshot budget, string uid)
    {
        budget = Enforced(budget);
        for (var turn = 0; turn <= budget.Workloads.Count + 1; turn++)
        {
            var decision = BudgetDecider.Decide(budget);
            if (
                decision.Actions.FirstOrDefault(action =>
                    action.Workload.Uid == uid && action.Kind is ActionKind.Suspend or ActionKind.Resume
                ) is
                { } own
            )
                return own.Kind == ActionKind.Resume;
            // Who is asked for a checkpoint is suspended after it.
            if (decision.Memory.Checkpoints.ContainsKey(uid))
                return false;
            if (decision.Actions.Count == 0)
                break;
            budget = CarriedOut(budget, decision);
        }
        return budget.Workloads.FirstOrDefault(work => work.Key.Uid == uid) is { State: WorkloadState.Running or WorkloadState.Pending };
    }

    /// <summary>
    /// The changes that would turn the verdict on a workload around, the limit first. Empty: none of those that are tried would.
    /// </summary>
    public static IReadOnlyList<Change> Of(BudgetSnapshot budget, string uid)
    {
        if (budget.Workloads.FirstOrDefault(work => work.Key.Uid == uid) is not { State: not WorkloadState.SuspendedByOther } work)
            return [];
        var limit = BudgetDecider.LimitOf(budget);
        var runs = MayRun(budget, uid);
        if (runs)
            // Only what is suspendable can be suspended by any limit; zero is the lowest there is.
            return Boundary(limit, cents => !MayRun(Limited(budget, -Times(cents)), uid)) is { } less
                ? [new Change.LowerLimit(Times(less), limit - Times(less))]
                : [];

        var changes = new List<Change>();
        // The amount that the message of this decision names, so that one amount is read everywhere.
        var named = BudgetDecider.Decide(Enforced(budget)).Workloads.First(verdict => verdict.Key.Uid == uid).EnoughLimit;
        if (named is { } enough && MayRun(Limited(Done(budget), enough - limit), uid))
            changes.Add(new Change.RaiseLimit(enough - limit, enough));
        if (
            work.State == WorkloadState.SuspendedByBudget
            && !work.ResumeApproved
            && MayRun(With(budget, work with { ResumeApproved = true }), uid)
        )
            changes.Add(new Change.Approve());
        var others = budget
            .Workloads.Where(other =>
                other.Key.Uid != uid && other is { Class: WorkloadClass.Training, State: WorkloadState.Running, Rate: not null }
            )
            .OrderBy(other => other.Estimate.IsKnown ? other.Estimate.Likely : TimeSpan.MaxValue)
            .ThenBy(other => other.Key.Name, StringComparer.Ordinal)
            .ThenBy(other => other.Key.Uid, StringComparer.Ordinal)
            .Take(MostOthers)
            .ToArray();
        if (
            others
                .Where(other => other.Estimate.IsKnown)
                .Select(other => new Change.LetFinish(other.Key, budget.Now + other.Estimate.Likely))
                .FirstOrDefault(change => Apply(budget, change) is { } then && MayRun(then, uid)) is
            { } finish
        )
            changes.Add(finish);
        // The least that would do.
        if (
            others
                .Select(other => new Change.EndNow(other.Key, WorkloadCost.Of(other, budget).Likely))
                .OrderBy(change => change.Frees)
                .ThenBy(change => change.Work.Uid, StringComparer.Ordinal)
                .FirstOrDefault(change => Apply(budget, change) is { } then && MayRun(then, uid)) is
            { } end
        )
            changes.Add(end);
        if (Apply(budget, new Change.NextWindow(budget.Window.End)) is { } next && MayRun(next, uid))
            changes.Add(new Change.NextWindow(budget.Window.End));
        return changes;
    }

    /// <summary>The snapshot as it would be after a change; null where the change cannot come about.</summary>
    public static BudgetSnapshot? Apply(BudgetSnapshot budget, Change change, string? uid = null) =>
        change switch
        {
            Change.RaiseLimit raise => Limited(Done(budget), raise.By),
            Change.LowerLimit lower => Limited(budget, -lower.By),
            Change.LetFinish finish => At(budget, finish.At) is { } then ? Without(then, finish.Work.Uid) : null,
            Change.EndNow end => Without(budget, end.Work.Uid),
            // Carried out first: a workload that still waits for its pods would reserve nothing by then, and seem to fit.
            Change.NextWindow next => At(Done(budget), next.At),
            Change.Approve => budget.Workloads.FirstOrDefault(work => work.Key.Uid == uid) is { } work
                ? With(budget, work with { ResumeApproved = true })
                : null,
            _ => null,
        };

    /// <summary>
    /// The smallest count of cents at which something holds that does not hold a cent before; null where it does not hold at the most
    /// either.
    /// </summary>
    private static Int128? Boundary(Amount most, Func<Int128, bool> holds)
    {
        var high = most.Units / Cent.Units;
        if (high <= 0 || !holds(high))
            return null;
        Int128 low = 0;
        while (high - low > 1)
        {
            var middle = low + (high - low) / 2;
            if (holds(middle))
                high = middle;
            else
                low = middle;
        }
        return high;
    }

    private static Amount Times(Int128 cents) => new(cents * Cent.Units);

    /// <summary>A limit that was always so: the time that work is given when one falls is not what is asked about.</summary>
    private static BudgetSnapshot Limited(BudgetSnapshot budget, Amount more)
    {
        var terms = budget.Terms with { Limit = budget.Terms.Limit + more };
        return budget with
        {
            Terms = terms,
            Memory =
                more.IsNegative && budget.Memory.LastLimit is { } last ? budget.Memory with { LastLimit = last + more } : budget.Memory,
        };
    }

    /// <summary>Enforced at once: the time between an announcement and its suspension is not what is asked about.</summary>
    private static BudgetSnapshot Enforced(BudgetSnapshot budget) =>
        budget with
        {
            ObserveOnly = false,
            Terms = budget.Terms with { Mode = EnforcementMode.Enforce, Settle = TimeSpan.Zero },
        };

    private static BudgetSnapshot With(BudgetSnapshot budget, WorkloadSnapshot changed) =>
        budget with
        {
            Workloads = [.. budget.Workloads.Select(work => work.Key.Uid == changed.Key.Uid ? changed : work)],
        };

    /// <summary>Whether the present window may have ended: then nobody can say what the next one's work is.</summary>
    private static BudgetSnapshot Without(BudgetSnapshot budget, string uid) =>
        budget with
        {
            Workloads = [.. budget.Workloads.Where(work => work.Key.Uid != uid)],
            BurnRate = budget.Workloads.Where(work => work.Key.Uid != uid).Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate),
        };

    /// <summary>
    /// The same work at a later moment: what runs has spent its rate, and is that much nearer to its end. Null where it cannot be told.
    /// </summary>
    private static BudgetSnapshot? At(BudgetSnapshot budget, DateTimeOffset then) =>
        // What leaves a rolling window until then, and what a window that ends once leaves behind, is another question.
        budget.Terms.Window.Period
            is WindowPeriod.Rolling
                or WindowPeriod.Once
        || then < budget.Now
            ? null
            : Later(budget, then);

    /// <summary>Creates the snapshot of a later moment, for any window that has not ended by then.</summary>
    internal static BudgetSnapshot Later(BudgetSnapshot budget, DateTimeOffset then)
    {
        var window = Window.At(budget.Terms.Window, then);
        var spent = window.Key == budget.Window.Key ? budget.Spent : Amount.Zero;
        var from = window.Start > budget.Now ? window.Start : budget.Now;
        var works = new List<WorkloadSnapshot>();
        List<SpendSegment> segments = [.. budget.RollingSpend.Select(past => past with { To = past.To ?? budget.Now })];
        foreach (var work in budget.Workloads)
        {
            var runs = work.State == WorkloadState.Running;
            // What comes to its end on the way spends no longer than that.
            var until =
                runs && work.Estimate.IsKnown && budget.Now + work.Estimate.Likely < then ? budget.Now + work.Estimate.Likely : then;
            var burnt = until > from ? work.BurnRate.For(until - from) : Amount.Zero;
            spent += burnt;
            if (until > from)
                segments.Add(new(from, until, work.BurnRate));
            if (until < then)
                continue;
            var passed = then - budget.Now;
            works.Add(
                work with
                {
                    Spent = (window.Key == budget.Window.Key ? work.Spent : Amount.Zero) + burnt,
                    Estimate =
                        runs && work.Estimate.IsKnown
                            ? work.Estimate with
                            {
                                Low = Less(work.Estimate.Low, passed),
                                Likely = Less(work.Estimate.Likely, passed),
                                High = Less(work.Estimate.High, passed),
                            }
                            : work.Estimate,
                }
            );
        }
        if (budget.Terms.Window.Period == WindowPeriod.Rolling)
        {
            // Older spending leaves the window on the way.
            spent +=
                RollingSum.At(segments, budget.Window.Length, then)
                - (spent - budget.Spent)
                - RollingSum.At(budget.RollingSpend, budget.Window.Length, budget.Now);
            budget = budget with { RollingSpend = segments };
        }
        return budget with
        {
            Now = then,
            Window = window,
            Spent = spent,
            Workloads = works,
            BurnRate = works.Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate),
        };
    }

    /// <summary>A limit is raised by somebody who read what was done: the decision was carried out by then.</summary>
    private static BudgetSnapshot Done(BudgetSnapshot budget)
    {
        var enforced = Enforced(budget);
        var decision = BudgetDecider.Decide(enforced);
        return decision.Actions.Count == 0 ? budget : CarriedOut(enforced, decision);
    }

    /// <summary>The snapshot after a decision was carried out, and not a moment later.</summary>
    private static BudgetSnapshot CarriedOut(BudgetSnapshot budget, BudgetDecision decision)
    {
        var actions = decision
            .Actions.Where(action => action.Kind is ActionKind.Suspend or ActionKind.Resume)
            .ToDictionary(action => action.Workload.Uid, StringComparer.Ordinal);
        WorkloadSnapshot Suspended(WorkloadSnapshot work, SuspendedSnapshot suspended) =>
            work with
            {
                State = WorkloadState.SuspendedByBudget,
                BurnRate = HourlyCost.Zero,
                Estimate = work.EstimateAfterResume ?? work.Estimate,
                EstimateAfterResume = null,
                CheckpointAnnotation = null,
                Suspension = suspended with { Confirmed = true },
            };
        WorkloadSnapshot[] works =
        [
            .. budget.Workloads.Select(work =>
                !actions.TryGetValue(work.Key.Uid, out var action) && decision.Memory.Checkpoints.TryGetValue(work.Key.Uid, out var asked)
                    ? Suspended(work, asked.For)
                : action is null ? work with { CheckpointAnnotation = null }
                : action.Kind == ActionKind.Suspend ? Suspended(work, action.Suspension!)
                : work.OtherBudgets is not null
                    ? work with
                    {
                        State = WorkloadState.Pending,
                        NoPodSince = budget.Now,
                        CheckpointAnnotation = null,
                        Suspension = null,
                    }
                : work with
                {
                    State = WorkloadState.Running,
                    BurnRate = work.Rate ?? HourlyCost.Zero,
                    CheckpointAnnotation = null,
                    Suspension = null,
                }
            ),
        ];
        return budget with
        {
            Workloads = works,
            Memory = BudgetMemoryUpdate.WithoutRequests(decision.Memory),
            BurnRate = works.Aggregate(HourlyCost.Zero, (sum, work) => sum + work.BurnRate),
        };
    }

    private static TimeSpan Less(TimeSpan value, TimeSpan by) => value > by ? value - by : TimeSpan.Zero;
}
