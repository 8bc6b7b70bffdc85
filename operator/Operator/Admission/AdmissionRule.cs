using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Money;

namespace Bursar.Operator.Admission;

internal sealed record ReviewedWorkload(string Kind, int Gpus, HourlyCost? Rate, TimeSpan TerminationGrace, string? WhyNot);

/// <summary>Amounts for a warning.</summary>
/// <param name="Spent">Spent in the window.</param>
/// <param name="Limit">The window's limit.</param>
/// <param name="Currency">Currency of both amounts.</param>
/// <param name="UsedUp">Whether the budget is Exhausted or Overspent, or the limit is spent.</param>
internal sealed record BudgetFigures(Amount Spent, Amount Limit, string Currency, bool UsedUp = false)
{
    /// <summary>
    /// Returns the amounts of the latest decision or, on a replica that does not lead, of the status. Null if neither exists.
    /// </summary>
    public static BudgetFigures? From(BudgetObject budget, BudgetDecision? latest) =>
        latest is not null ? From(latest.Spent, latest.Limit, latest.Currency, latest.State)
        : Amount.TryParse(budget.Status?.Spent, out var spent) && Amount.TryParse(budget.Status?.Limit, out var limit)
            ? From(spent, limit, budget.Status?.Currency ?? "", budget.Status?.State)
        : null;

    private static BudgetFigures From(Amount spent, Amount limit, string currency, string? state) =>
        new(spent, limit, currency, state is Reasons.Exhausted or Reasons.Overspent || spent >= limit);
}

/// <summary>A budget that selects the workload.</summary>
/// <param name="Name">Its kind and name, as warnings show it.</param>
/// <param name="Terms">Its parsed spec; null if invalid.</param>
/// <param name="Exempts">Whether it counts the workload but never suspends it.</param>
/// <param name="Figures">Its amounts; null if unknown.</param>
internal sealed record ReviewedBudget(string Name, BudgetTerms? Terms, bool Exempts, BudgetFigures? Figures)
{
    /// <summary>Whether <c>bursar release</c> released it (<see cref="ReleaseMark"/>), so that it suspends nothing.</summary>
    public bool IsReleased { get; init; }
}

/// <summary>Whether the workload is created suspended, and the warnings for its user.</summary>
internal sealed record AdmissionVerdict(bool Gate, IReadOnlyList<string> Warnings);

/// <summary>
/// Decides whether a new workload is gated: whether the leader could suspend it for one of its budgets. Then it waits until the leader has
/// evaluated it. Amounts do not matter here.
/// </summary>
internal static class AdmissionRule
{
    public static AdmissionVerdict Judge(ReviewedWorkload work, IReadOnlyList<ReviewedBudget> budgets, bool observeOnly, DateTimeOffset now)
    {
        var gate = false;
        var warnings = new List<string>();
        foreach (var budget in budgets)
        {
            var why = WhyNot(work, budget, now);
            var observes = observeOnly || budget.Terms?.Mode == EnforcementMode.Observe;
            gate |= why is null && !observes;
            warnings.Add(
                $"{budget.Name}: {Sum(budget)}this {work.Kind} asks for {Gpus(work, budget)} and "
                    + (
                        why is not null ? $"is not suspended: {why}"
                        : observes
                            ? $"is not suspended, because {(observeOnly ? "the cluster is in observe-only mode" : "the budget only observes")}; otherwise it would be suspended until Bursar admits it"
                        : "is suspended until Bursar admits it"
                    )
            );
        }
        return new(gate, warnings);
    }

    /// <summary>Returns why the budget cannot suspend the workload; null if it can.</summary>
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
        budget.Figures is not { } figures ? ""
        : figures.Spent > figures.Limit
            ? $"{(figures.Spent - figures.Limit).ToShortString()} {figures.Currency} more than its {figures.Limit.ToShortString()} are spent; "
        : $"{(figures.Limit - figures.Spent).ToShortString()} of {figures.Limit.ToShortString()} {figures.Currency} remain; ";

    private static string Gpus(ReviewedWorkload work, ReviewedBudget budget) =>
        $"{work.Gpus} GPU{(work.Gpus == 1 ? "" : "s")}"
        + (work.Rate is { } rate ? $" at {rate}{(budget.Figures is { } figures ? " " + figures.Currency : "")}/h" : "");
}
