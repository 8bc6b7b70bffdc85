using System.Globalization;
using System.Text;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Operator.Commands;

/// <summary>
/// Explains a whole decision to users: each workload, its place in the order, what its suspension saves, and what would change its verdict.
/// </summary>
internal static class ExplainReasoning
{
    /// <summary>Number of workloads for which changes are searched, to keep the command fast.</summary>
    private const int Searched = 60;

    /// <param name="inputs">The stored snapshot of the last decision.</param>
    public static string Format(BudgetSnapshot inputs)
    {
        var text = new StringBuilder();
        text.Append(
            CultureInfo.InvariantCulture,
            $"\nFull reasoning for the last action, at {Rfc3339.Format(inputs.Now)}: spent {inputs.Spent}, limit {BudgetDecider.LimitOf(inputs)} {inputs.Currency}\n"
        );
        var all = Reasoning.From(inputs, Searched);
        if (all.Count == 0)
            text.Append("  no workloads\n");
        foreach (var one in all)
        {
            var verdict = one.Verdict;
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {verdict.Key.DisplayName(inputs.Namespace)}  {verdict.State}, {verdict.Reason}\n    {Place(one, all)}{Worth(one, inputs.Currency)}\n    {verdict.Sentence}\n"
            );
            if (one.Changes is null)
                text.Append(CultureInfo.InvariantCulture, $"    Changes were searched for the first {Searched} workloads only.\n");
            else if (one.Changes.Count > 0)
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"    {(Runs(one) ? "It would be suspended" : "It would run")}: {string.Join("; or ", one.Changes.Select(change => Describe(change, inputs)))}.\n"
                );
            else if (!Runs(one))
                text.Append("    Neither a higher limit, nor the end of another workload, nor a new window alone would resume it.\n");
        }
        return text.ToString();
    }

    /// <summary>Returns what would change the verdict on one workload; null if nothing was found.</summary>
    /// <param name="inputs">The snapshot of a decision of the budget.</param>
    /// <param name="workload">The workload as the decision names it.</param>
    /// <param name="withLimit">Whether to include a higher limit.</param>
    public static string? ChangesFor(BudgetSnapshot inputs, string workload, bool withLimit = true)
    {
        if (
            Reasoning.From(inputs, Searched).FirstOrDefault(one => one.Verdict.Key.DisplayName(inputs.Namespace) == workload)
            is not { Changes: { } changes } work
        )
            return null;
        var texts = changes
            .Where(change => withLimit || change is not Change.RaiseLimit)
            .Select(change => Describe(change, inputs))
            .ToArray();
        return texts.Length == 0 ? null : $"{(Runs(work) ? "it would be suspended" : "it would run")}: {string.Join("; or ", texts)}";
    }

    private static bool Runs(WorkloadReasoning one) => one.Changes is [Change.LowerLimit];

    private static string Place(WorkloadReasoning one, IReadOnlyList<WorkloadReasoning> all) =>
        one.ResumeOrder is { } resume
            ? $"Resume order: {resume} of {all.Count(other => other.ResumeOrder is not null)}, priority {Priority(one)}."
        : one.SuspensionOrder is { } suspend
            ? $"Suspension order: {suspend} of {all.Count(other => other.SuspensionOrder is not null)}, {GroupName(one.Group!.Value)}, priority {Priority(one)}."
        : "Not considered: the forecast suspends no such workload.";

    private static string Priority(WorkloadReasoning one) =>
        one.PriorityWithin == 0 ? $"{one.Priority}" : $"{one.Priority} ({one.PriorityWithin} within)";

    private static string GroupName(Victims.VictimGroup group) =>
        group switch
        {
            Victims.VictimGroup.New => "not admitted yet",
            Victims.VictimGroup.UnknownLength => "of unknown duration",
            Victims.VictimGroup.Grown => "over its admitted cost",
            _ => "within its admitted cost",
        };

    private static string Worth(WorkloadReasoning one, string currency) =>
        one.SuspensionOrder is null || one.Saves <= Amount.Zero
            ? ""
            : string.Create(
                CultureInfo.InvariantCulture,
                $" Suspending it loses work worth {one.Lost} {currency} since its last checkpoint and saves {one.Saves} {currency}: {one.Lost.ToDouble() / one.Saves.ToDouble():0.###} {currency} lost per {currency} saved."
            ) + (one.Consequence is { } consequence ? $" {consequence}" : "");

    private static string Describe(Change change, BudgetSnapshot inputs) =>
        change switch
        {
            Change.RaiseLimit raise =>
                $"raise the limit by {raise.By.ToShortString()} to {raise.To.ToShortString()} {inputs.Currency}, or add a top-up of {raise.By.ToShortString()} {inputs.Currency}",
            Change.LowerLimit lower =>
                $"at a limit of {lower.To.ToShortString()} {inputs.Currency}, which is {lower.By.ToShortString()} less",
            Change.LetFinish finish =>
                $"let {finish.Work.DisplayName(inputs.Namespace)} finish, about {Messages.Time(finish.At)}{By(finish.Work, inputs)}",
            Change.EndNow end =>
                $"end {end.Work.DisplayName(inputs.Namespace)} now, which frees {end.Frees.ToShortString()} {inputs.Currency}",
            Change.NextWindow next => $"wait for the next window, {Messages.Time(next.At)}",
            Change.Approve => "set bursar.dev/resume: approved on it",
            _ => throw new ArgumentOutOfRangeException(nameof(change)),
        };

    private static string By(WorkloadKey work, BudgetSnapshot inputs) =>
        inputs.Workloads.FirstOrDefault(one => one.Key == work) is { Estimate: { Source: not EstimateSource.Unknown } estimate }
            ? $" by {estimate.Source.ToString().ToLowerInvariant()}"
            : "";
}
