using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>A change that would reverse the verdict on a workload.</summary>
public abstract record Change
{
    /// <summary>A higher limit or a top-up of this window, to the amount that the message names.</summary>
    public sealed record RaiseLimit(Amount By, Amount To) : Change;

    /// <summary>For a workload that may run: the highest limit at which it would be suspended.</summary>
    public sealed record LowerLimit(Amount By, Amount To) : Change;

    /// <summary>Another workload finishes at the likely end of its estimate and spends as forecast until then.</summary>
    public sealed record LetFinish(WorkloadKey Work, DateTimeOffset At) : Change;

    /// <summary>Another workload is ended now, which releases its reservation.</summary>
    public sealed record EndNow(WorkloadKey Work, Amount Frees) : Change;

    public sealed record NextWindow(DateTimeOffset At) : Change;

    /// <summary>The user approves the resume.</summary>
    public sealed record Approve : Change;
}

/// <summary>
/// Finds changes that would reverse a verdict by repeating the decision with a changed snapshot, so it is correct for any rules. Pure. A
/// higher limit is the one that the decision's message names (<see cref="ResumeRule.NamedLimit"/>), because the smallest sufficient one is
/// not enough a minute later. A lower limit is found by bisection, to the cent.
/// </summary>
public static class WhatWouldChange
{
    private static readonly Amount Cent = Amount.FromDecimal(0.01m);

    /// <summary>The number of other workloads whose end is tried.</summary>
    private const int MostOthers = 20;

    /// <summary>
    /// Whether the workload runs once the decision and those that follow from it are carried out, while nothing else changes. Workloads
    /// resume one at a time, so its turn may come several decisions later.
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
            // A workload with a checkpoint request is suspended after it.
            if (decision.Memory.Checkpoints.ContainsKey(uid))
                return false;
            if (decision.Actions.Count == 0)
                break;
            budget = AfterActions(budget, decision);
        }
        return budget.Workloads.FirstOrDefault(workload => workload.Key.Uid == uid)
            is { State: WorkloadState.Running or WorkloadState.Pending };
    }

    /// <summary>
    /// Returns the changes that would reverse the verdict on a workload, the limit first. Empty if none of the tried ones would.
    /// </summary>
    public static IReadOnlyList<Change> For(BudgetSnapshot budget, string uid)
    {
        if (
            budget.Workloads.FirstOrDefault(workload => workload.Key.Uid == uid)
            is not { State: not WorkloadState.SuspendedByOther } workload
        )
            return [];
        // This text names only what would change in this budget. The verdict names the other budgets that do not cover the workload.
        if (workload.NotCoveredBy is not null)
            budget = WithWorkload(budget, workload = workload with { NotCoveredBy = null });
        var limit = BudgetDecider.LimitOf(budget);
        var runs = MayRun(budget, uid);
        if (runs)
            // Zero is the lowest limit. A workload that cannot be suspended has no such limit.
            return Boundary(limit, cents => !MayRun(WithLimit(budget, -Times(cents)), uid)) is { } less
                ? [new Change.LowerLimit(Times(less), limit - Times(less))]
                : [];

        var changes = new List<Change>();
        // The amount in this decision's message, so that users see one amount everywhere.
        var named = BudgetDecider.Decide(Enforced(budget)).Workloads.First(verdict => verdict.Key.Uid == uid).EnoughLimit;
        if (named is { } enough && MayRun(WithLimit(AfterDecision(budget), enough - limit), uid))
            changes.Add(new Change.RaiseLimit(enough - limit, enough));
        if (
            workload.State == WorkloadState.SuspendedByBudget
            && !workload.ResumeApproved
            && MayRun(WithWorkload(budget, workload with { ResumeApproved = true }), uid)
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
        // The smallest sufficient one.
        if (
            others
                .Select(other => new Change.EndNow(other.Key, WorkloadCost.From(other, budget).Likely))
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

    /// <summary>Returns the snapshot after a change, or null if the change cannot happen.</summary>
    public static BudgetSnapshot? Apply(BudgetSnapshot budget, Change change, string? uid = null) =>
        change switch
        {
            Change.RaiseLimit raise => WithLimit(AfterDecision(budget), raise.By),
            Change.LowerLimit lower => WithLimit(budget, -lower.By),
            Change.LetFinish finish => WithinWindowsAt(budget, finish.At) is { } then ? WithoutWorkload(then, finish.Work.Uid) : null,
            Change.EndNow end => WithoutWorkload(budget, end.Work.Uid),
            // Carried out first, because a workload that waits for its pods would reserve nothing by then and seem to fit.
            Change.NextWindow next => WithinWindowsAt(AfterDecision(budget), next.At),
            Change.Approve => budget.Workloads.FirstOrDefault(workload => workload.Key.Uid == uid) is { } workload
                ? WithWorkload(budget, workload with { ResumeApproved = true })
                : null,
            _ => null,
        };

    /// <summary>Returns the smallest number of cents for which the condition holds, or null if it does not hold at the most.</summary>
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

    /// <summary>Returns the snapshot with another limit that does not count as a fall, so that no settle time begins.</summary>
    private static BudgetSnapshot WithLimit(BudgetSnapshot budget, Amount more)
    {
        var terms = budget.Terms with { Limit = budget.Terms.Limit + more };
        return budget with
        {
            Terms = terms,
            Memory =
                more.IsNegative && budget.Memory.LastLimit is { } last ? budget.Memory with { LastLimit = last + more } : budget.Memory,
        };
    }

    /// <summary>Returns the snapshot in Enforce mode and without the settle time.</summary>
    private static BudgetSnapshot Enforced(BudgetSnapshot budget) =>
        budget with
        {
            ObserveOnly = false,
            Terms = budget.Terms with { Mode = EnforcementMode.Enforce, Settle = TimeSpan.Zero },
        };

    private static BudgetSnapshot WithWorkload(BudgetSnapshot budget, WorkloadSnapshot changed) =>
        budget with
        {
            Workloads = [.. budget.Workloads.Select(workload => workload.Key.Uid == changed.Key.Uid ? changed : workload)],
        };

    private static BudgetSnapshot WithoutWorkload(BudgetSnapshot budget, string uid) =>
        budget with
        {
            Workloads = [.. budget.Workloads.Where(workload => workload.Key.Uid != uid)],
            BurnRate = budget
                .Workloads.Where(workload => workload.Key.Uid != uid)
                .Aggregate(HourlyCost.Zero, (sum, workload) => sum + workload.BurnRate),
        };

    /// <summary>Returns the snapshot at a later time, or null for rolling and single windows, which are not answered.</summary>
    private static BudgetSnapshot? WithinWindowsAt(BudgetSnapshot budget, DateTimeOffset then) =>
        budget.Terms.Window.Period is WindowPeriod.Rolling or WindowPeriod.Once || then < budget.Now ? null : SnapshotAt(budget, then);

    /// <summary>
    /// Returns the snapshot at a later time: running workloads have spent their rate and are closer to their end. A window that has begun
    /// by then starts without spending.
    /// </summary>
    internal static BudgetSnapshot SnapshotAt(BudgetSnapshot budget, DateTimeOffset then)
    {
        var window = Window.At(budget.Terms.Window, then);
        var spent = window.Key == budget.Window.Key ? budget.Spent : Amount.Zero;
        var from = window.Start > budget.Now ? window.Start : budget.Now;
        var workloads = new List<WorkloadSnapshot>();
        List<SpendSegment> segments = [.. budget.RollingSpend.Select(past => past with { To = past.To ?? budget.Now })];
        foreach (var workload in budget.Workloads)
        {
            var runs = workload.State == WorkloadState.Running;
            // A workload that ends in between spends nothing after that.
            var until =
                runs && workload.Estimate.IsKnown && budget.Now + workload.Estimate.Likely < then
                    ? budget.Now + workload.Estimate.Likely
                    : then;
            var cost = until > from ? workload.BurnRate.For(until - from) : Amount.Zero;
            spent += cost;
            if (until > from)
                segments.Add(new(from, until, workload.BurnRate));
            if (until < then)
                continue;
            var passed = then - budget.Now;
            workloads.Add(
                workload with
                {
                    Spent = (window.Key == budget.Window.Key ? workload.Spent : Amount.Zero) + cost,
                    Estimate =
                        runs && workload.Estimate.IsKnown
                            ? workload.Estimate with
                            {
                                Low = SubtractOrZero(workload.Estimate.Low, passed),
                                Likely = SubtractOrZero(workload.Estimate.Likely, passed),
                                High = SubtractOrZero(workload.Estimate.High, passed),
                            }
                            : workload.Estimate,
                }
            );
        }
        if (budget.Terms.Window.Period == WindowPeriod.Rolling)
        {
            // Older spending leaves the window in between.
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
            // The amount that the next window carries over is not known before this one ends.
            RolledOver = window.Start == budget.Window.Start ? budget.RolledOver : Amount.Zero,
            Granted = window.Start == budget.Window.Start ? budget.Granted : Amount.Zero,
            Loans = window.Start == budget.Window.Start ? budget.Loans : LoanBook.InNextWindow(budget.Loans),
            Spent = spent,
            Workloads = workloads,
            BurnRate = workloads.Aggregate(HourlyCost.Zero, (sum, workload) => sum + workload.BurnRate),
        };
    }

    /// <summary>Returns the snapshot after the present decision, because a user who raises the limit has seen that carried out.</summary>
    private static BudgetSnapshot AfterDecision(BudgetSnapshot budget)
    {
        var enforced = Enforced(budget);
        var decision = BudgetDecider.Decide(enforced);
        return decision.Actions.Count == 0 ? budget : AfterActions(enforced, decision);
    }

    /// <summary>Returns the snapshot just after a decision was carried out.</summary>
    private static BudgetSnapshot AfterActions(BudgetSnapshot budget, BudgetDecision decision)
    {
        var actions = decision
            .Actions.Where(action => action.Kind is ActionKind.Suspend or ActionKind.Resume)
            .ToDictionary(action => action.Workload.Uid, StringComparer.Ordinal);
        WorkloadSnapshot Suspended(WorkloadSnapshot workload, SuspendedSnapshot suspended) =>
            workload with
            {
                State = WorkloadState.SuspendedByBudget,
                BurnRate = HourlyCost.Zero,
                Estimate = workload.EstimateAfterResume ?? workload.Estimate,
                EstimateAfterResume = null,
                CheckpointAnnotation = null,
                Suspension = suspended with { Confirmed = true },
            };
        WorkloadSnapshot[] workloads =
        [
            .. budget.Workloads.Select(workload =>
                !actions.TryGetValue(workload.Key.Uid, out var action)
                && decision.Memory.Checkpoints.TryGetValue(workload.Key.Uid, out var request)
                    ? Suspended(workload, request.For)
                : action is null ? workload with { CheckpointAnnotation = null }
                : action.Kind == ActionKind.Suspend ? Suspended(workload, action.Suspension!)
                : workload.OtherBudgets is not null
                    ? workload with
                    {
                        State = WorkloadState.Pending,
                        NoPodSince = budget.Now,
                        CheckpointAnnotation = null,
                        Suspension = null,
                    }
                : workload with
                {
                    State = WorkloadState.Running,
                    BurnRate = workload.Rate ?? HourlyCost.Zero,
                    CheckpointAnnotation = null,
                    Suspension = null,
                }
            ),
        ];
        return budget with
        {
            Workloads = workloads,
            Memory = BudgetMemoryUpdate.WithoutRequests(decision.Memory),
            BurnRate = workloads.Aggregate(HourlyCost.Zero, (sum, workload) => sum + workload.BurnRate),
        };
    }

    private static TimeSpan SubtractOrZero(TimeSpan value, TimeSpan by) => value > by ? value - by : TimeSpan.Zero;
}
