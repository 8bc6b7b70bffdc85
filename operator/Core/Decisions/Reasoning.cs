using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Why a decision is as it is about one workload.</summary>
public sealed record WorkloadReasoning
{
    public required WorkloadVerdict Verdict { get; init; }

    /// <summary>Its place in the order of who is suspended first, from 1; null for what is not asked.</summary>
    public int? SuspensionOrder { get; init; }

    /// <summary>Why it stands at that place.</summary>
    public Victims.VictimGroup? Group { get; init; }

    /// <summary>Its place in the order of who comes back first, from 1.</summary>
    public int? ResumeOrder { get; init; }

    public int Priority { get; init; }

    public int PriorityWithin { get; init; }

    /// <summary>What is lost of its work when it is suspended now.</summary>
    public Amount Lost { get; init; }

    /// <summary>What suspending it would keep from being spent.</summary>
    public Amount Saves { get; init; }

    /// <summary>What suspending it would bring with it beyond itself.</summary>
    public string? Consequence { get; init; }

    /// <summary>What would turn the verdict around; null where nobody looked.</summary>
    public IReadOnlyList<Change>? Changes { get; init; }
}

/// <summary>A decision taken again from its snapshot, with all that led to it. Pure, and for people: the loop does not need it.</summary>
public static class Reasoning
{
    /// <summary>All work: what is suspended, then what may be, each in the order in which it is looked at, then the rest.</summary>
    /// <param name="budget">What the decision was taken from.</param>
    /// <param name="searched">For how many of them to look for what would change the verdict: each costs some hundred decisions.</param>
    public static IReadOnlyList<WorkloadReasoning> Of(BudgetSnapshot budget, int searched = int.MaxValue)
    {
        var decision = BudgetDecider.Decide(budget);
        var memory = BudgetMemoryUpdate.Begin(budget, BudgetDecider.LimitOf(budget));
        var work = CostedWorkload.Of(budget);
        var verdicts = decision.Workloads.ToDictionary(verdict => verdict.Key.Uid, StringComparer.Ordinal);
        string[] comes = [.. ResumeRule.InOrder(work).Select(item => item.Work.Key.Uid)];
        string[] goes =
        [
            .. Victims
                .InOrder(work.Where(item => item is { IsActiveJob: true, Suspendable: true }), budget, memory)
                .Select(item => item.Work.Key.Uid),
        ];
        return
        [
            .. work.OrderBy(item => Place(comes, item) ?? int.MaxValue)
                .ThenBy(item => Place(goes, item) ?? int.MaxValue)
                .Select(
                    (item, i) =>
                        new WorkloadReasoning
                        {
                            Verdict = verdicts[item.Work.Key.Uid],
                            ResumeOrder = Place(comes, item),
                            SuspensionOrder = Place(goes, item),
                            Group = Place(goes, item) is null ? null : Victims.GroupOf(item, budget, memory),
                            Priority = item.Work.Priority,
                            PriorityWithin = item.Work.PriorityWithin,
                            Lost = Victims.Lost(item),
                            Saves = item.Work.Class == WorkloadClass.Training ? Amount.Max(Amount.Zero, Victims.Saves(item)) : Amount.Zero,
                            Consequence = item.Work.Consequence,
                            Changes = i < searched ? WhatWouldChange.Of(budget, item.Work.Key.Uid) : null,
                        }
                ),
        ];
    }

    private static int? Place(string[] order, CostedWorkload item) =>
        Array.IndexOf(order, item.Work.Key.Uid) is >= 0 and var place ? place + 1 : null;
}
