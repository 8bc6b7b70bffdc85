using System.Globalization;
using System.Text;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Budgets;

namespace Bursar.Operator.Commands;

internal static class ExplainText
{
    private const int ShownDecisions = 5;
    private const int ShownWindows = 12;

    public static string Format(
        BudgetId id,
        BudgetObject? budget,
        IReadOnlyList<SuspensionRecord> suspended,
        IReadOnlyList<DecisionRecord> decisions,
        IReadOnlyList<ClosedWindow> windows,
        IReadOnlyList<CheckpointRequest>? requests = null
    )
    {
        var text = new StringBuilder();
        if (budget is null)
            text.Append(CultureInfo.InvariantCulture, $"{id} does not exist any more; this is what the ledger remembers of it.\n");
        else if (budget.Status is not { State: not null } status)
            text.Append(CultureInfo.InvariantCulture, $"{id} has not been evaluated yet: no operator has written its status.\n");
        else
            Status(text, id, budget, status);

        Requested(text, requests ?? []);
        Suspended(text, id, budget?.Status?.Workloads ?? [], suspended, decisions);
        if (decisions.Select(Inputs).LastOrDefault(inputs => inputs is not null) is { } last)
            text.Append(ExplainReasoning.Format(last));
        Decisions(text, decisions);
        Windows(text, windows);
        return text.ToString();
    }

    private static void Limits(StringBuilder text, string heading, IReadOnlyList<GpuBudgetLimitStatus> limits)
    {
        if (limits.Count == 0)
            return;
        Heading(text, heading);
        Table(
            text,
            [
                ["", "spent", "projected", "limit", "", ""],
                .. limits.Select(one =>
                    (string[])
                        [
                            one.Name ?? "",
                            one.Spent ?? "",
                            one.Projected ?? "",
                            one.Limit ?? "",
                            one.Unit ?? "",
                            one.State
                                + (one.SuspendedCount > 0 ? $", {one.SuspendedCount} suspended" : "")
                                + (one.Gpus == 0 ? ", no GPU of the cluster matches its product" : ""),
                        ]
                ),
            ]
        );
    }

    private static void Status(StringBuilder text, BudgetId id, BudgetObject budget, GpuBudgetStatus status)
    {
        var ready = status.Conditions?.FirstOrDefault(c => c.Type == ConditionTypes.Ready);
        text.Append(CultureInfo.InvariantCulture, $"{id}: {status.State}\n  {ready?.Message}\n");
        if (status.ObservedGeneration != budget.Metadata.Generation)
            text.Append(
                CultureInfo.InvariantCulture,
                $"  The spec was changed since (generation {budget.Metadata.Generation}, evaluated {status.ObservedGeneration}).\n"
            );
        Hierarchy(text, status);
        if (status.Limit is null)
            return;

        Heading(
            text,
            $"Figures in {status.Currency}, window {status.Window?.Start} to {status.Window?.End}, counted since {status.CountingSince}"
        );
        Table(
            text,
            [
                ["limit", status.Limit, LimitParts(status)],
                ["spent", status.Spent ?? "", $"{status.Percent} % of the limit"],
                [
                    "reserved",
                    status.Reserved ?? "",
                    "what jobs of known duration and inference that keeps running will still cost, and the cost of stopping jobs of unknown duration",
                ],
                [
                    "projected",
                    status.Projected ?? "",
                    $"{status.ProjectedPercent} % of the limit. Each workload counts at its current rate until it ends, is suspended at the limit, or the window closes",
                ],
                ["forecast", status.Forecast?.WindowEnd?.Likely ?? "", Forecast(status.Forecast)],
                ["remaining", status.Remaining ?? "", "limit less spent"],
                [
                    "burn rate",
                    status.BurnRatePerHour ?? "",
                    "per hour"
                        + (
                            status.ExhaustedAt is { } at
                                ? status.State is Reasons.Exhausted or Reasons.Overspent
                                    ? $"; the budget was used up at {at}"
                                    : $"; the limit is reached at {at}"
                                : ""
                        ),
                ],
                [
                    "overspend bound",
                    status.OverspendBound ?? "",
                    "the most that stopping all suspendable workloads still costs; the hard limit acts that much earlier",
                ],
                ["carried over", status.CarriedOver ?? "", "falls into the next window"],
                [
                    "not suspendable",
                    status.Unstoppable?.UntilWindowEnd ?? "",
                    status.Unstoppable is { Workloads.Count: > 0 } work
                        ? $"to the window's end at {work.RatePerHour} per hour: {string.Join(", ", work.Workloads)}"
                        : "nothing",
                ],
                [
                    "outside",
                    status.OutsideSelector ?? "",
                    id.IsCluster
                        ? "GPU workloads in its namespaces that no budget selects"
                        : "GPU workloads in the namespace that no budget selects",
                ],
            ],
            rightAligned: 1
        );

        if (status.Grants is { Count: > 0 } grants)
        {
            Heading(text, "Grants, in the order in which they are used");
            Table(
                text,
                [
                    .. grants.Select(grant =>
                        (string[])
                            [
                                $"{grant.Namespace}/{grant.Name}",
                                $"{grant.Used} of {grant.Amount} used",
                                grant.EndedAt is { } ended ? $"ended at {ended}" : $"expires at {grant.ExpiresAt}",
                                $"requested by {grant.RequestedBy ?? "a user it does not name"}, approved by {grant.ApprovedBy ?? "a user it does not name"}",
                            ]
                    ),
                ]
            );
        }
        if (status.Loans is { Count: > 0 } loans)
        {
            Heading(text, "Loans of this window, and what later windows repay");
            Table(
                text,
                [
                    .. loans.Select(loan =>
                        (string[])[$"{loan.Lender} to {loan.Borrower}", $"{loan.Lent} lent", $"{loan.Repaid} repaid", $"{loan.Owed} owed"]
                    ),
                ]
            );
        }
        if (status.LoanRefusals is { Count: > 0 } refusals)
        {
            Heading(text, "Why the budget cannot borrow more");
            foreach (var refusal in refusals)
                text.Append(CultureInfo.InvariantCulture, $"  {refusal}\n");
        }
        Limits(text, "Limits inside the budget", status.Limits ?? []);
        if (status.PerLabel is { Count: > 0 } values)
            Limits(
                text,
                $"Limits by label {budget.BudgetSpec?.PerLabel?.Key}"
                    + (
                        status.PerLabelCount > values.Count
                            ? $" ({values.Count} of {status.PerLabelCount}, the highest projections first)"
                            : ""
                    ),
                values
            );

        var wrong = (status.Conditions ?? [])
            .Where(c =>
                c.Type != ConditionTypes.Ready
                && c.Status
                    != (
                        c.Type
                            is ConditionTypes.MinimumReplicasExceedLimit
                                or ConditionTypes.ForecastOverBudget
                                or ConditionTypes.Overcommitted
                                or ConditionTypes.BreakerOpen
                                or ConditionTypes.Contested
                            ? "False"
                            : "True"
                    )
            )
            .ToArray();
        if (wrong.Length > 0)
        {
            Heading(text, "Conditions that need attention");
            Table(text, [.. wrong.Select(c => (string[])[c.Type, c.Status, c.Reason ?? "", c.Message ?? ""])]);
        }

        Heading(text, "Workloads, by projected cost");
        if (status.Workloads is not { Count: > 0 } workloads)
            text.Append("  none\n");
        else
            foreach (var one in workloads)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  {DisplayName(one)}  {one.Class}, {one.State}, {one.Gpus} GPU, {(one.RatePerHour is null ? "unpriced" : one.RatePerHour + "/h")}, spent {one.Spent}, projected {one.Projected}"
                );
                if (one.Eta is { Likely: { } likely } eta)
                    text.Append(CultureInfo.InvariantCulture, $", done about {likely} (by {eta.Source}; {eta.Low} to {eta.High})");
                if (one.IdleSince is { } idle)
                    text.Append(CultureInfo.InvariantCulture, $", GPUs idle since {idle}");
                text.Append(CultureInfo.InvariantCulture, $"\n    {one.Reason}\n");
            }
        Advice(text, status);
    }

    private static void Advice(StringBuilder text, GpuBudgetStatus status)
    {
        if (status.Advice is not { Count: > 0 } advice)
            return;
        Heading(text, "Advice, by what the GPUs did in the last seven days");
        foreach (var one in advice)
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {(one.Namespace is { Length: > 0 } ns ? ns + "/" : "")}{one.Kind}/{one.Name}: {one.Text}\n"
            );
    }

    private static string LimitParts(GpuBudgetStatus status)
    {
        (string? Amount, string Is)[] parts =
        [
            (status.RolledOver, "carried over from the last window"),
            (status.Granted, "granted"),
            (status.Borrowed, "borrowed"),
        ];
        string[] texts =
        [
            .. parts.Where(part => part.Amount is not null).Select((part, i) => $"{part.Amount}{(i == 0 ? " of it" : "")} is {part.Is}"),
            .. status.Lent is { } lent ? [$"{lent} is lent and not part of it"] : Array.Empty<string>(),
        ];
        return string.Join(", and ", texts);
    }

    /// <summary>Writes the namespaces of a ClusterGpuBudget, and the budgets above and below.</summary>
    private static void Hierarchy(StringBuilder text, GpuBudgetStatus status)
    {
        if (status.NamespaceCount is { } count)
        {
            var shown = status.Namespaces ?? [];
            Heading(text, $"Namespaces that it covers: {count}");
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {(shown.Count > 0 ? string.Join(", ", shown) : "none")}{(count > shown.Count ? $", and {count - shown.Count} more" : "")}\n"
            );
        }
        if (status.Parents is { Count: > 0 } parents)
        {
            Heading(text, "Budgets above it, which its workloads need to fit too");
            foreach (var parent in parents)
                text.Append(CultureInfo.InvariantCulture, $"  {new BudgetId("", parent)}\n");
        }
        if (status.Children is { Count: > 0 } children)
        {
            Heading(text, "Budgets directly below it, and their limits");
            Table(
                text,
                [
                    .. children.Select(child =>
                        (string[])
                            [
                                (
                                    child.Name?.Split('/') is [var ns, var name] ? new BudgetId(ns, name) : new("", child.Name ?? "")
                                ).ToString(),
                                child.Limit ?? "",
                            ]
                    ),
                ],
                rightAligned: 1
            );
        }
    }

    private static string DisplayName(GpuBudgetWorkload one) =>
        one.Namespace is { Length: > 0 } ns ? $"{ns}/{one.Kind}/{one.Name}" : $"{one.Kind}/{one.Name}";

    private static void Requested(StringBuilder text, IReadOnlyList<CheckpointRequest> requests)
    {
        if (requests.Count == 0)
            return;
        Heading(text, "Asked for a checkpoint, and suspended after it");
        foreach (var request in requests.OrderBy(r => r.Deadline).ThenBy(r => r.Work, StringComparer.Ordinal))
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {request.Work}  asked at {Rfc3339.Format(request.Requested)} ({request.For.Reason}), awaited until {Rfc3339.Format(request.Deadline)}\n    {request.Sentence}\n"
            );
    }

    private static void Suspended(
        StringBuilder text,
        BudgetId id,
        IReadOnlyList<GpuBudgetWorkload> workloads,
        IReadOnlyList<SuspensionRecord> suspended,
        IReadOnlyList<DecisionRecord> decisions
    )
    {
        Heading(text, "Suspended, and what it takes to resume");
        if (suspended.Count == 0)
            text.Append("  nothing\n");
        foreach (var record in suspended.OrderBy(p => p.Since).ThenBy(p => p.Name, StringComparer.Ordinal))
        {
            var name = record.Workload.DisplayName(id.Namespace);
            // The latest verdict is most recent. For a workload beyond the status's bound, use the text of its suspension.
            var explanation = workloads
                .FirstOrDefault(w => w.State == nameof(WorkloadState.SuspendedByBudget) && DisplayName(w) == name)
                ?.Reason
                ?? decisions.LastOrDefault(d => d.Object == name)?.Text;
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {name}  since {Rfc3339.Format(record.Since)} ({record.Reason}), {record.Field.Pointer} was {record.Field.Original} and is {record.Field.Value}, {record.CostToFinish} to finish\n"
            );
            if (explanation is not null)
                text.Append(CultureInfo.InvariantCulture, $"    {explanation}\n");
        }
    }

    private static void Decisions(StringBuilder text, IReadOnlyList<DecisionRecord> decisions)
    {
        Heading(
            text,
            decisions.Count > ShownDecisions
                ? $"The last {ShownDecisions} of {decisions.Count} decisions, replayed from stored inputs"
                : "Recent decisions, replayed from stored inputs"
        );
        if (decisions.Count == 0)
            text.Append("  none\n");
        foreach (var decision in decisions.TakeLast(ShownDecisions))
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"  {Rfc3339.Format(decision.Time)}  {decision.Action} {decision.Object} ({decision.Reason})\n    {decision.Text}\n"
            );
            if (Inputs(decision) is not { } inputs)
            {
                text.Append("    Its inputs are not stored in a form that this version reads.\n");
                continue;
            }
            var again = BudgetDecider.Decide(inputs);
            var work = inputs.Workloads.FirstOrDefault(w => w.Key.DisplayName(inputs.Namespace) == decision.Object);
            text.Append(
                CultureInfo.InvariantCulture,
                $"    inputs: limit {again.Limit}, spent {again.Spent}, reserved {again.Reserved}, {inputs.Workloads.Count} workload{(inputs.Workloads.Count == 1 ? "" : "s")}{Format(work, inputs.Namespace)}\n    {Compare(decision, again, inputs.Namespace)}\n"
            );
        }
    }

    private static string Forecast(GpuBudgetForecast? forecast) =>
        forecast switch
        {
            null => "none for a rolling window, or outside of a single one",
            { Method: nameof(SpendingMethod.KnownOnly) } => "running workloads only, since there is too little history of this budget",
            { WindowEnd: { Low: { } low, High: { } high } } =>
                $"{forecast.Coverage} % of windows end between {low} and {high}, with workloads to come and if nothing is suspended{(forecast.PastError is { } error ? $"; past forecasts were {error} % off on average" : "")}",
            _ => "with workloads to come and if nothing is suspended; there is too little history for an interval",
        };

    private static void Windows(StringBuilder text, IReadOnlyList<ClosedWindow> windows)
    {
        if (windows.Count == 0)
            return;
        Heading(
            text,
            windows.Count > ShownWindows ? $"The last {ShownWindows} of {windows.Count} windows that are over" : "Windows that are over"
        );
        Table(
            text,
            [
                .. windows
                    .TakeLast(ShownWindows)
                    .Select(one => (string[])[one.Key, one.Spent.ToString(), $"of {one.Limit}, {one.Spent.PercentOf(one.Limit)} %"]),
            ],
            rightAligned: 1
        );
    }

    private static string Format(WorkloadSnapshot? work, string ns) =>
        work is null
            ? ""
            : $"; {work.Key.DisplayName(ns)}: {work.State}, {work.Rate?.ToString() ?? "unpriced"}/h, spent {work.Spent}, "
                + (
                    work.Estimate.IsKnown
                        ? string.Create(
                            CultureInfo.InvariantCulture,
                            $"{work.Estimate.Likely.TotalSeconds:0} s left ({work.Estimate.Low.TotalSeconds:0} to {work.Estimate.High.TotalSeconds:0}{(work.Estimate.Settled ? "" : ", not settled")}) by {work.Estimate.Source.ToString().ToLowerInvariant()}: {work.Estimate.Detail}"
                        )
                        : $"duration unknown: {work.Estimate.Detail}"
                )
                + (
                    work.CanCheckpoint
                        ? "; it answers requests for checkpoints" + (work.CheckpointAcknowledged is { } id ? $", last {id}" : "")
                        : ""
                )
                + (
                    work.Checkpoint is { } mark
                        ? $"; its last checkpoint is of {Rfc3339.Format(mark.At)}{(mark.Step is { } step ? string.Create(CultureInfo.InvariantCulture, $", step {step}") : "")}"
                        : ""
                );

    private static BudgetSnapshot? Inputs(DecisionRecord decision)
    {
        try
        {
            return DecisionInputs.Read(decision.Inputs);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static string Compare(DecisionRecord decision, BudgetDecision again, string ns)
    {
        var observed = decision.Action.StartsWith(BudgetActor.Would, StringComparison.Ordinal);
        var found = (observed ? again.Observed : again.Actions).Where(a => a.Workload.DisplayName(ns) == decision.Object).ToArray();
        if (
            found.Any(a =>
                (observed ? BudgetActor.Would : "") + a.Kind == decision.Action
                && a.Reason == decision.Reason
                && a.Sentence == decision.Text
            )
        )
            return "replay: same result";
        return found.Length == 0
            ? "replay: DIFFERENT, nothing would be done to it"
            : "replay: DIFFERENT, " + string.Join("; ", found.Select(a => $"{a.Kind} ({a.Reason}): {a.Sentence}"));
    }

    private static void Heading(StringBuilder text, string heading) => text.Append('\n').Append(heading).Append('\n');

    private static void Table(StringBuilder text, IReadOnlyList<string[]> rows, int rightAligned = -1)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(r => r[i].Length)).ToArray();
        foreach (var row in rows)
        {
            var line = string.Join("  ", row.Select((cell, i) => i == rightAligned ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i])));
            text.Append("  ").Append(line.TrimEnd()).Append('\n');
        }
    }
}
