using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Derives the budget's conditions from the same figures as everything else.</summary>
internal static class ConditionRules
{
    /// <summary>A condition's message should fit one screen.</summary>
    private const int LongestNames = 600;

    public static IReadOnlyList<ConditionValue> Evaluate(Plan plan)
    {
        var (budget, totals, course) = (plan.Budget, plan.Totals, plan.Prospect);
        var currency = budget.Currency;
        var suspends = plan.Requests.Count + plan.Actions.Count(a => a.Kind == ActionKind.Suspend);
        var suspended = budget.Workloads.Count(workload => workload.State == WorkloadState.SuspendedByBudget);
        var (projected, reached) = (course.Now.Projected, course.Now.RunsOutAt);

        var conditions = new List<ConditionValue>
        {
            Ready(plan, suspends, suspended),
            totals.Spent < totals.Limit
                ? new(
                    ConditionTypes.WithinBudget,
                    true,
                    Reasons.OnTrack,
                    $"{Money(totals.Spent)} of {Money(totals.Limit)} {currency} is spent in {Window.NameOf(budget.Window.Key)}."
                )
                : new(
                    ConditionTypes.WithinBudget,
                    false,
                    course.Overspent > Amount.Zero ? Reasons.Overspent : Reasons.Exhausted,
                    $"{Money(totals.Spent)} of {Money(totals.Limit)} {currency} is spent in {Window.NameOf(budget.Window.Key)}{(course.Overspent > Amount.Zero ? $", {Money(course.Overspent)} {currency} beyond the limit, and {budget.BurnRate} {budget.RateUnit} keeps running" : "")}."
                ),
            totals.MinimumReplicasExceedLimit
                ? new(
                    ConditionTypes.ProjectedWithinBudget,
                    false,
                    Reasons.MinimumReplicasExceedLimit,
                    $"{Money(projected)} {currency} is projected, {Money(totals.Spent + totals.MinimumReplicasCost)} of it for past spending and inference that keeps running; the limit is {Money(totals.Limit)}."
                )
            : totals.Planned > totals.Limit
                ? new(
                    ConditionTypes.ProjectedWithinBudget,
                    false,
                    Reasons.ProjectedOver,
                    $"{Money(totals.Planned)} {currency} is spent and reserved, {Money(totals.Planned - totals.Limit)} over the limit; {Money(projected)} is projected."
                )
            : reached is { } at
                ? new(
                    ConditionTypes.ProjectedWithinBudget,
                    false,
                    course.Exhausted ? Reasons.Exhausted : Reasons.AtRisk,
                    $"{Money(projected)} {currency} is projected: with the current workloads, the limit of {Money(totals.Limit)} is reached on {Messages.Time(at)}."
                )
            : projected <= totals.Limit
                ? new(
                    ConditionTypes.ProjectedWithinBudget,
                    true,
                    Reasons.OnTrack,
                    $"{Money(projected)} {currency} is projected, {Money(totals.Limit)} is the limit; {suspended} suspended."
                )
            : new(
                ConditionTypes.ProjectedWithinBudget,
                false,
                Reasons.AtRisk,
                $"{Money(projected)} {currency} is projected, {Money(projected - totals.Limit)} over the limit."
            ),
            totals.Unstoppable.Workloads.Count == 0
                ? new(ConditionTypes.FullyEnforceable, true, Reasons.AllSuspendable, "All running workloads can be suspended.")
                : new(
                    ConditionTypes.FullyEnforceable,
                    false,
                    Reasons.UnstoppableWorkloads,
                    $"{totals.Unstoppable.RatePerHour} {budget.RateUnit} comes from {Count(totals.Unstoppable.Workloads.Count)} that cannot be suspended: {WithReasons(totals.Unstoppable)}."
                ),
            budget.MeteringStale is { } stale
                ? new(ConditionTypes.MeteringFresh, false, Reasons.NodeLost, $"Forecasts paused: {stale}.")
                : Fresh(budget.Metering),
            budget.PricesUntrusted is { } doubt
                ? new(
                    ConditionTypes.PricesTrusted,
                    false,
                    Reasons.PricesUntrusted,
                    $"The last trusted prices apply and forecasts are paused: {doubt}."
                )
            : budget is { UnpricedProducts.Count: 0, LacksGridIntensity: true }
                ? new(ConditionTypes.PricesTrusted, false, Reasons.NoGridIntensity, Messages.NoGridIntensity)
            : budget is { UnpricedProducts.Count: 0, ChargedAsOnDemand.Count: > 0 }
                ? new(ConditionTypes.PricesTrusted, false, Reasons.ChargedAsOnDemand, PriceTrust.AsOnDemand(budget.ChargedAsOnDemand))
            : budget.UnpricedProducts.Count == 0 ? new(ConditionTypes.PricesTrusted, true, Reasons.Priced, "Every GPU in use has a price.")
            : new(
                ConditionTypes.PricesTrusted,
                false,
                Reasons.Unpriced,
                $"No price matches {Names(budget.UnpricedProducts)}: these workloads are not counted and forecasts are paused. Add a rate to the default GpuPriceBook{(budget.UnpricedProducts.Any(product => product.Contains('/')) ? ", or name the resource in the chart's gpuResources" : "")}."
            ),
        };
        if (totals.MinimumReplicasExceedLimit)
            conditions.Add(
                new(
                    ConditionTypes.MinimumReplicasExceedLimit,
                    true,
                    Reasons.MinimumReplicasExceedLimit,
                    $"Inference that keeps running will cost {Money(totals.MinimumReplicasCost)} {currency} by the end of the window, {Money(totals.Spent + totals.MinimumReplicasCost - totals.Limit)} more than is left. New jobs are suspended; running jobs are suspended when the limit is reached."
                )
            );
        if (SpendingForecast.IsOver(budget, totals, course.Forecast))
            conditions.Add(
                new(
                    ConditionTypes.ForecastOverBudget,
                    true,
                    Reasons.ForecastOverBudget,
                    Messages.ForecastOverBudget(budget, totals, course.Forecast!)
                )
            );
        var children = budget.Children.Where(child => child.IsComparable).ToArray();
        var childLimits = children.Aggregate(Amount.Zero, (sum, child) => sum + child.Limit);
        if (childLimits > totals.Limit)
            conditions.Add(
                new(
                    ConditionTypes.Overcommitted,
                    true,
                    Reasons.ChildLimitsExceedLimit,
                    $"{(children.Length == 1 ? "The limit of a budget below it is" : $"The limits of {children.Length} budgets below it are")} {Money(childLimits)} {currency}{(children.Length == 1 ? "" : " together")}, {Money(childLimits - totals.Limit)} more than its own: {Names([.. children.Select(child => $"{child.Name} ({Money(child.Limit)})")])}. Their workloads also need to fit this budget."
                )
            );
        if (plan.BreakerOpen)
            conditions.Add(
                new(
                    ConditionTypes.BreakerOpen,
                    true,
                    Reasons.BreakerOpen,
                    "Forecasts suspended too many of the cluster's workloads within minutes. To let them suspend more, run 'bursar reset-breaker'."
                )
            );
        if (plan.Contested.Count > 0)
            conditions.Add(
                new(
                    ConditionTypes.Contested,
                    true,
                    Reasons.Contested,
                    $"Another user or controller keeps resuming {Names(plan.Contested)}; Bursar tries again every 5 minutes."
                )
            );
        return conditions;
    }

    /// <summary>
    /// A missing agent or exporter does not make the metering stale, because billing and forecasts need only the API server's times.
    /// </summary>
    private static ConditionValue Fresh(MeteringView? by)
    {
        const string current = "Metering is up to date";
        if (by is null)
            return new(ConditionTypes.MeteringFresh, true, Reasons.Fresh, $"{current}.");
        var exporters = by.ByExporter.Count > 0 ? $"the dcgm-exporter on {by.ByExporter}" : null;
        var agents =
            by.ByAgent > 0
                ? exporters is null && by.Without.Count == 0
                    ? "the nodes' agents"
                    : $"the agents of {by.ByAgent} node{(by.ByAgent == 1 ? "" : "s")}"
                : null;
        var both = string.Join(" and ", new[] { agents, exporters }.OfType<string>());
        var measured = both.Length == 0 ? "" : $"; busy time and energy are measured by {both}";
        return by.Without.Count == 0
            ? new(ConditionTypes.MeteringFresh, true, Reasons.Fresh, $"{current}{measured}.")
            : new(
                ConditionTypes.MeteringFresh,
                true,
                Reasons.AgentMissing,
                $"{current}{measured}. On {by.Without} no agent that sees the GPUs answers and no dcgm-exporter is read: workloads there are billed, and their GPU usage is not measured."
            );
    }

    /// <summary>The reason of Ready is the state that kubectl shows.</summary>
    private static ConditionValue Ready(Plan plan, int suspends, int suspended)
    {
        var (budget, totals, course) = (plan.Budget, plan.Totals, plan.Prospect);
        if (budget.LedgerFault is { } fault)
            return new(
                ConditionTypes.Ready,
                false,
                Reasons.LedgerNotWritable,
                $"The ledger cannot be written, so nothing is suspended or resumed, and what is counted from now on may be lost: {fault}"
            );
        if (budget.SpecFault is { } spec)
            return new(ConditionTypes.Ready, false, Reasons.InvalidSpec, spec);
        var currency = budget.Currency;
        if (budget.Terms.Window.Period == WindowPeriod.Once && budget.Now >= budget.Window.End)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.Expired,
                $"The window ended at {Messages.Time(budget.Window.End)}; nothing is admitted and nothing is suspended."
            );
        if (budget.Terms.Window.Period == WindowPeriod.Once && budget.Now < budget.Window.Start)
            return new(ConditionTypes.Ready, true, Reasons.NotStarted, $"The window starts at {Messages.Time(budget.Window.Start)}.");
        if (budget is { ReleasedAt: not null, ObserveOnly: false, Terms.Mode: EnforcementMode.Enforce })
            return new(ConditionTypes.Ready, true, Reasons.EnforcementReleased, Messages.ReleasedByUser(budget));
        if (!plan.IsEnforcing)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.Observing,
                budget.ObserveOnly
                    ? "The cluster is in observe-only mode: no workload is suspended or resumed."
                    : "Mode is Observe: no workload is suspended or resumed."
            );
        if (course.Overspent > Amount.Zero)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.Overspent,
                $"The budget is overspent by {Money(course.Overspent)} {currency}: {Money(totals.Spent)} of {Money(totals.Limit)} is spent, and {Running(course, budget)}."
            );
        if (course.Exhausted)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.Exhausted,
                $"The budget for this window is used up{(course.ExhaustedAt is { } since ? $" since {Messages.Time(since)}" : "")}. Everything that can be suspended is suspended{(course.RunsOn.Count > 0 ? $"; {Running(course, budget)}" : "")}."
            );
        if (suspends > 0)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.ProjectedOver,
                "Projected cost is over the limit: the workloads that would exceed it are about to be suspended."
            );
        if (course.After.RunsOutAt is { } reached)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.AtRisk,
                $"With its current workloads{Messages.CurrentRate(budget, course.After)}, {budget.DisplayName} reaches its limit of {Money(totals.Limit)} {currency} on {Messages.Time(reached)}{(budget.Terms.Window.Period == WindowPeriod.Rolling ? "" : ", before the window ends")}."
                    + (
                        course.After.ForecastAt is { } ahead
                            ? $" {Named(course.After.ForecastSuspends)} will be suspended on {Messages.Time(ahead)}, when the rest no longer covers what {(course.After.ForecastSuspends.Count == 1 ? "it costs" : "they cost")} to complete."
                            : ""
                    )
                    + (
                        course.After.Suspends.Count > 0
                            ? $" {Named(course.After.Suspends)} will be suspended {(course.After.ForecastAt is null ? "then" : "at the limit")}."
                            : ""
                    )
                    + (
                        course.After.Continues.Count > 0
                            ? $" {Named(course.After.Continues)} cannot be suspended and will overspend it."
                            : ""
                    )
                    + (
                        totals.MinimumReplicasExceedLimit
                            ? " New jobs are suspended until inference that keeps running fits the limit."
                            : ""
                    )
            );
        if (totals.Planned > totals.Limit || totals.MinimumReplicasExceedLimit)
            return new(
                ConditionTypes.Ready,
                true,
                Reasons.AtRisk,
                $"{Money(totals.Planned)} {currency} is spent and reserved, over the limit of {Money(totals.Limit)}."
            );
        return suspended > 0
            ? new(
                ConditionTypes.Ready,
                true,
                Reasons.WorkloadsSuspended,
                $"Within budget; {Count(suspended)} {(suspended == 1 ? "is" : "are")} suspended.{MayGrow(course, currency)}"
            )
            : new(
                ConditionTypes.Ready,
                true,
                Reasons.OnTrack,
                $"Spent and projected cost are within the limit.{MayGrow(course, currency)}"
            );
    }

    private static string MayGrow(Prospect course, string currency) =>
        course.Growth is { } growth
            ? $" If jobs take longer than expected, up to {Messages.Needed(growth.Most)} {currency} is needed and workloads are suspended, first among {Named(growth.Suspends)}."
            : "";

    private static string Running(Prospect course, BudgetSnapshot budget) =>
        $"{Count(course.RunsOn.Count)} ({budget.BurnRate} {budget.RateUnit}) keep{(course.RunsOn.Count == 1 ? "s" : "")} running: {Named(course.RunsOn)}";

    private static string Count(int workloads) => $"{workloads} workload{(workloads == 1 ? "" : "s")}";

    private static string Named(IReadOnlyList<CostedWorkload> workloads) => Names([.. workloads.Select(workload => workload.DisplayName)]);

    private static string WithReasons(Unstoppable unstoppable)
    {
        var named = unstoppable
            .Workloads.Select(
                (name, i) => $"{name} ({(unstoppable.Why[i].Length > 120 ? unstoppable.Why[i][..117] + "..." : unstoppable.Why[i])})"
            )
            .ToArray();
        var shown = 0;
        for (var length = 0; shown < named.Length && shown < 8 && (shown == 0 || length + named[shown].Length <= LongestNames); shown++)
            length += named[shown].Length + 2;
        return string.Join(", ", named.Take(shown)) + (named.Length > shown ? $" and {named.Length - shown} more" : "");
    }

    private static string Money(Amount amount) => amount.ToShortString();

    private static string Names(IReadOnlyCollection<string> names) =>
        string.Join(", ", names.Take(5)) + (names.Count > 5 ? $" and {names.Count - 5} more" : "");
}
