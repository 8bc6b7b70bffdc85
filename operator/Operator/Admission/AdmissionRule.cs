using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;

namespace Bursar.Operator.Admission;

/// <summary>New GPU work that the API server asks about.</summary>
internal sealed record ReviewedWorkload(string Kind, int Gpus, HourlyCost? Rate, TimeSpan TerminationGrace, string? WhyNot);

/// <summary>The sums that a warning shows.</summary>
/// <param name="Spent">Spent in the window.</param>
/// <param name="Limit">The window's limit.</param>
/// <param name="Currency">Of both.</param>
/// <param name="UsedUp">The state of the budget is Exhausted or Overspent, or more is spent than the limit.</param>
internal sealed record BudgetFigures(Amount Spent, Amount Limit, string Currency, bool UsedUp = false)
{
    /// <summary>The sums of the latest decision; on a replica that does not lead, those of the status. Null while neither has any.</summary>
    public static BudgetFigures? Of(V1Alpha1GpuBudget budget, BudgetDecision? latest) =>
        latest is not null ? Of(latest.Spent, latest.Limit, latest.Currency, latest.State)
        : Amount.TryParse(budget.Status?.Spent, out var spent) && Amount.TryParse(budget.Status?.Limit, out var limit)
            ? Of(spent, limit, budget.Status?.Currency ?? "", budget.Status?.State)
        : null;

    private static BudgetFigures Of(Amount spent, Amount limit, string currency, string? state) =>
        new(spent, limit, currency, state is Reasons.Exhausted or Reasons.Overspent || spent >= limit);
}

/// <summary>A budget that selects it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Terms">What it asks for; null where its spec cannot be read.</param>
/// <param name="Exempts">It counts this work and never suspends it.</param>
/// <param name="Figures">What is known of its money.</param>
internal sealed record ReviewedBudget(string Name, BudgetTerms? Terms, bool Exempts, BudgetFigures? Figures)
{
    /// <summary>Its user has released it (<see cref="ReleaseMark"/>): it suspends nothing.</summary>
    public bool IsReleased { get; init; }
}

/// <summary>Whether the work is made suspended, and what its owner is told.</summary>
internal sealed record AdmissionVerdict(bool Gate, IReadOnlyList<string> Warnings);

/// <summary>
/// Whether the leader could suspend the work for one of its budgets. Then it waits suspended until the leader has judged it; no money is
/// decided here.
/// </summary>
internal static class AdmissionRule
{
    public static AdmissionVerdict Judge(ReviewedWorkload work, IReadOnlyList<ReviewedBudget> budgets, bool observeOnly, DateTimeOffset now)
    {
        var hold = false;
        var warnings = new List<string>();
        foreach (var budget in budgets)
        {
            var why = WhyNot(work, budget, now);
            var observes = observeOnly || budget.Terms?.Mode == EnforcementMode.Observe;
            hold |= why is null && !observes;
            warnings.Add(
                $"gpubudget {budget.Name}: {Sum(budget)}this {work.Kind} asks for {Gpus(work, budget)} and "
                    + (
                        why is not null ? $"is not suspended: {why}"
                        : observes
                            ? $"is not suspended, because {(observeOnly ? "the cluster is in observe-only mode" : "the budget only observes")}; otherwise it would be suspended until Bursar admits it"
                        : "is suspended until Bursar admits it"
                    )
            );
        }
        return new(hold, warnings);
    }

    /// <summary>Why the budget would not suspend it; null when it could.</summary>
    private static string? WhyNot(ReviewedWorkload work, ReviewedBudget budget, DateTimeOffset now)
    {
        if (budget.Terms is not { } terms)
            return "the budget's spec cannot be read";
        if (budget.IsReleased)
            return "the budget is released by bursar release";
        if (budget.Exempts)
            return "the budget exempts it";
        if (work.WhyNot is { } why)
            return why;
        if (work.TerminationGrace > WorkloadCost.LongestGrace)
            return "its pods may take longer than 15 minutes to end";
        var window = Window.At(terms.Window, now);
        return terms.Window.Period != WindowPeriod.Once || window.Contains(now) ? null
            : now < window.Start ? "the budget's window has not started"
            : "the budget's window has ended";
    }

    private static string Sum(ReviewedBudget budget) =>
        budget.Figures is not { } money ? ""
        : money.Spent > money.Limit
            ? $"{(money.Spent - money.Limit).ToShortString()} {money.Currency} more than its {money.Limit.ToShortString()} are spent; "
        : $"{(money.Limit - money.Spent).ToShortString()} of {money.Limit.ToShortString()} {money.Currency} remain; ";

    private static string Gpus(ReviewedWorkload work, ReviewedBudget budget) =>
        $"{work.Gpus} GPU{(work.Gpus == 1 ? "" : "s")}"
        + (work.Rate is { } rate ? $" at {rate}{(budget.Figures is { } money ? " " + money.Currency : "")}/h" : "");
}
