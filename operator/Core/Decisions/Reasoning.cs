using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The explanation of a decision for one workload.</summary>
public sealed record WorkloadReasoning
{
    public required WorkloadVerdict Verdict { get; init; }

    /// <summary>Its place in the order of suspensions, from 1. Null: the forecast cannot suspend it.</summary>
    public int? SuspensionOrder { get; init; }

    /// <summary>The group that determines its place.</summary>
    public Victims.VictimGroup? Group { get; init; }

    /// <summary>Its place in the order of resumes, from 1. Null: it is not suspended.</summary>
    public int? ResumeOrder { get; init; }

    public int Priority { get; init; }

    public int PriorityWithin { get; init; }

    /// <summary>The cost of the progress that a suspension now would lose.</summary>
    public Amount Lost { get; init; }

    /// <summary>The amount that a suspension now would save.</summary>
    public Amount Saves { get; init; }

    /// <summary>A sentence on what else its suspension causes.</summary>
    public string? Consequence { get; init; }

    /// <summary>The changes that would reverse the verdict. Null: not searched.</summary>
    public IReadOnlyList<Change>? Changes { get; init; }
}

/// <summary>Repeats a decision from its snapshot and explains it. Pure. For users only; the control loop does not need it.</summary>
public static class Reasoning
{
    /// <summary>Returns the suspended workloads in the order of resumes, then those in the order of suspensions, then the rest.</summary>
    /// <param name="budget">The snapshot of the decision.</param>
    /// <param name="searched">How many workloads to search for changes that would reverse the verdict. Each costs some hundred
    /// decisions.</param>
    public static IReadOnlyList<WorkloadReasoning> From(BudgetSnapshot budget, int searched = int.MaxValue)
    {
        var decision = BudgetDecider.Decide(budget);
        var memory = BudgetMemoryUpdate.Begin(budget, BudgetDecider.LimitOf(budget));
        var workloads = CostedWorkload.From(budget);
        var verdicts = decision.Workloads.ToDictionary(verdict => verdict.Key.Uid, StringComparer.Ordinal);
        string[] resumes = [.. ResumeRule.InOrder(workloads).Select(workload => workload.Uid)];
        string[] suspensions =
        [
            .. Victims
                .InOrder(workloads.Where(workload => workload is { IsActiveJob: true, Suspendable: true }), budget, memory)
                .Select(workload => workload.Uid),
        ];
        return
        [
            .. workloads
                .OrderBy(workload => Place(resumes, workload) ?? int.MaxValue)
                .ThenBy(workload => Place(suspensions, workload) ?? int.MaxValue)
                .Select(
                    (workload, i) =>
                        new WorkloadReasoning
                        {
                            Verdict = verdicts[workload.Uid],
                            ResumeOrder = Place(resumes, workload),
                            SuspensionOrder = Place(suspensions, workload),
                            Group = Place(suspensions, workload) is null ? null : Victims.GroupOf(workload, budget, memory),
                            Priority = workload.Snapshot.Priority,
                            PriorityWithin = workload.Snapshot.PriorityWithin,
                            Lost = Victims.Lost(workload),
                            Saves =
                                workload.Snapshot.Class == WorkloadClass.Training
                                    ? Amount.Max(Amount.Zero, Victims.Saves(workload))
                                    : Amount.Zero,
                            Consequence = workload.Snapshot.Consequence,
                            Changes = i < searched ? WhatWouldChange.For(budget, workload.Uid) : null,
                        }
                ),
        ];
    }

    private static int? Place(string[] order, CostedWorkload workload) =>
        Array.IndexOf(order, workload.Uid) is >= 0 and var place ? place + 1 : null;
}
