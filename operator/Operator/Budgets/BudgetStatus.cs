using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>Builds a budget's status from one decision and the stored state.</summary>
internal static class BudgetStatus
{
    /// <summary>State of a workload that only other budgets suspend.</summary>
    public const string SuspendedByOtherBudget = "SuspendedByOtherBudget";

    private const int MostNamespaces = 50;
    private const int MostParents = 20;

    /// <summary>Number of ended workloads that the status lists.</summary>
    public const int MostEnded = 10;

    private const int MostLoans = 50;
    private const int MostLoanRefusals = 20;

    /// <summary>Number of sentences of advice that the status lists.</summary>
    private const int MostAdvice = 5;

    /// <summary>Number of values of a label whose limits the status lists.</summary>
    private const int MostLabelValues = 20;

    /// <summary>The states that a limit shares with its budget, in order of severity.</summary>
    private static readonly string[] Severities =
    [
        Reasons.OnTrack,
        Reasons.AtRisk,
        Reasons.WorkloadsSuspended,
        Reasons.Exhausted,
        Reasons.Overspent,
    ];

    /// <param name="read">The budget.</param>
    /// <param name="decision">The decision on it.</param>
    /// <param name="limits">The limits inside it, with the latest decision on each.</param>
    /// <param name="ledger">The ledger.</param>
    /// <param name="state">The suspensions and the latest decisions.</param>
    /// <param name="adviceFor">Returns the advice for a workload.</param>
    public static GpuBudgetStatus From(
        ReadBudget read,
        BudgetDecision decision,
        IReadOnlyList<(BudgetObject Limit, BudgetDecision Decision)> limits,
        GpuLedger ledger,
        OperatorState state,
        Func<WorkloadKey, IReadOnlyList<string>> adviceFor
    )
    {
        var (budget, namespaces) = (read.Object, read.Namespaces);
        // The record of a workload that another client resumed stays while the budget may not act on it. The workload is not suspended.
        var running = decision
            .Workloads.Where(w => w.State is WorkloadState.Running or WorkloadState.Pending)
            .Select(w => w.Key.Uid)
            .Except(decision.Actions.Where(a => a.Kind == ActionKind.Suspend).Select(a => a.Workload.Uid))
            .ToHashSet(StringComparer.Ordinal);
        var severe = limits
            .Where(one => SeverityOf(one.Decision) > SeverityOf(decision) && SeverityOf(decision) >= 0)
            .Select(one => ((BudgetObject Limit, BudgetDecision Decision)?)one)
            .MaxBy(one => SeverityOf(one!.Value.Decision));
        string[] uids = [budget.Metadata.Uid, .. limits.Select(one => one.Limit.Metadata.Uid)];
        var suspended = uids.SelectMany(state.SuspensionsBy)
            .Where(p => p.BudgetUid != budget.Metadata.Uid || !running.Contains(p.Uid))
            .OrderBy(p => p.Since)
            .ThenBy(p => p.Name, StringComparer.Ordinal)
            .ToArray();
        var units = limits.ToDictionary(one => one.Limit.Metadata.Uid, one => one.Decision.Currency, StringComparer.Ordinal);
        var counted = ledger.DetailSince;
        return new()
        {
            ObservedGeneration = budget.Metadata.Generation,
            State = severe?.Decision.State ?? decision.State,
            Currency = decision.Currency,
            Window = new() { Start = Rfc3339.Format(decision.WindowStart), End = Rfc3339.Format(decision.WindowEnd) },
            CountingSince = Rfc3339.Format(counted is { } at && at > decision.WindowStart ? at : decision.WindowStart),
            Limit = decision.Limit.ToString(),
            RolledOver = decision.RolledOver > Amount.Zero ? decision.RolledOver.ToString() : null,
            Granted = decision.Granted > Amount.Zero ? decision.Granted.ToString() : null,
            Grants = decision.Grants.Count > 0 ? [.. decision.Grants.Take(GrantDecider.MostInWindow).Select(Grant)] : null,
            Borrowed = NotZero(LoanBook.Borrowed(decision.Loans, budget.Metadata.Uid)),
            Lent = NotZero(LoanBook.Lent(decision.Loans, budget.Metadata.Uid)),
            Owed = NotZero(LoanBook.Owed(decision.Loans, budget.Metadata.Uid)),
            Loans = decision.Loans is { Count: > 0 } loans ? [.. loans.Take(MostLoans).Select(Loan)] : null,
            LoanRefusals = decision.LoanRefusals.Count > 0 ? [.. decision.LoanRefusals.Take(MostLoanRefusals)] : null,
            Spent = decision.Spent.ToString(),
            Reserved = decision.Reserved.ToString(),
            Projected = decision.Projected.ToString(),
            Forecast = Forecast(decision.Forecast),
            Remaining = decision.Remaining.ToString(),
            Percent = decision.Spent.PercentOf(decision.Limit),
            ProjectedPercent = decision.Projected.PercentOf(decision.Limit),
            BurnRatePerHour = decision.BurnRate.ToString(),
            ExhaustedAt = decision.ExhaustedAt is { } exhausted ? Rfc3339.Format(Seconds(exhausted)) : null,
            OverspendBound = decision.OverspendBound.ToString(),
            CarriedOver = decision.CarriedOver.ToString(),
            Unstoppable = new()
            {
                RatePerHour = decision.Unstoppable.RatePerHour.ToString(),
                UntilWindowEnd = decision.Unstoppable.UntilWindowEnd.ToString(),
                Workloads = [.. decision.Unstoppable.Workloads.Take(20)],
            },
            OutsideSelector = decision.OutsideSelector.ToString(),
            NamespaceCount = budget is V1Alpha1ClusterGpuBudget ? namespaces.Count : null,
            Namespaces = budget is V1Alpha1ClusterGpuBudget ? [.. namespaces.Take(MostNamespaces)] : null,
            Parents = decision.Parents.Count > 0 ? [.. decision.Parents.Take(MostParents)] : null,
            Children =
                decision.Children.Count > 0
                    ?
                    [
                        .. decision
                            .Children.Take(MostNamespaces)
                            .Select(child => new GpuBudgetChild { Name = child.Name, Limit = child.Limit.ToString() }),
                    ]
                    : null,
            Limits = LimitsIn(limits.Where(one => !one.Limit.IsOfLabel), state, ledger),
            PerLabel = LimitsIn(
                limits
                    .Where(one => one.Limit.IsOfLabel)
                    .OrderByDescending(one => one.Decision.Projected)
                    .ThenBy(one => one.Limit.Metadata.Name, StringComparer.Ordinal)
                    .Take(MostLabelValues),
                state,
                ledger
            ),
            PerLabelCount = limits.Count(one => one.Limit.IsOfLabel) is > 0 and var values ? values : null,
            Workloads =
            [
                .. decision
                    .Workloads.OrderByDescending(w => w.Projected)
                    .ThenBy(w => w.Key.Name, StringComparer.Ordinal)
                    .Take(20)
                    .Select(w => Workload(w, NamespaceIn(budget, w.Key.Namespace), decision.At)),
            ],
            Advice = Advice(budget, decision, adviceFor),
            Ended =
            [
                .. decision
                    .Ended.Take(MostEnded)
                    .Select(one => new GpuBudgetEnded
                    {
                        Namespace = NamespaceIn(budget, one.Key.Namespace),
                        Kind = one.Key.Kind,
                        Name = one.Key.Name,
                        Class = one.Class.ToString().ToLowerInvariant(),
                        Spent = one.Spent.ToString(),
                        Steps = one.Steps,
                        UnitCosts = UnitCosts(one.UnitCosts),
                    }),
            ],
            Suspended =
            [
                .. suspended
                    .Take(50)
                    .Select(p => new GpuBudgetSuspended
                    {
                        Namespace = NamespaceIn(budget, p.Namespace),
                        Kind = p.Kind,
                        Name = p.Name,
                        Since = Rfc3339.Format(p.Since),
                        Reason = p.Reason,
                        Limit = BudgetObject.LimitIn(p.Budget),
                        Unit = units.GetValueOrDefault(p.BudgetUid),
                        CostToFinish = p.CostToFinish.ToString(),
                    }),
            ],
            SuspendedCount = suspended.DistinctBy(p => p.Uid).Count(),
            Decisions = [.. uids.SelectMany(state.Decisions).Reverse().OrderByDescending(one => one.Time).Take(10).Select(Decision)],
            Conditions = Conditions(budget, decision, severe, limits),
        };
    }

    /// <summary>Returns the rank of a decision's state; negative for a state that says more than the amounts do.</summary>
    private static int SeverityOf(BudgetDecision decision) => Array.IndexOf(Severities, decision.State);

    /// <summary>Returns how many GPUs of the cluster a limit on some GPUs counts; null for other limits.</summary>
    private static int? GpusOf(BudgetObject limit, GpuLedger ledger) =>
        GpuBudgetReader.Read(limit, out var terms, out _, out _).Count == 0 && terms!.Counted is { IsPartial: true } counted
            ? ledger
                .Nodes()
                .Select(ledger.LastStatement)
                .Where(node => counted.Counts(node.Product, node.CapacityType))
                .Sum(node => node.Gpus)
            : null;

    private static IReadOnlyList<GpuBudgetLimitStatus>? LimitsIn(
        IEnumerable<(BudgetObject Limit, BudgetDecision Decision)> limits,
        OperatorState state,
        GpuLedger ledger
    ) =>
        limits
            .Select(one => new GpuBudgetLimitStatus
            {
                Name = one.Limit.IsOfLabel ? one.Limit.LimitName![(one.Limit.LimitName!.IndexOf('=') + 1)..] : one.Limit.LimitName,
                State = one.Decision.State,
                Unit = one.Decision.Currency,
                Limit = one.Decision.Limit.ToString(),
                Spent = one.Decision.Spent.ToString(),
                Projected = one.Decision.Projected.ToString(),
                ExhaustedAt = one.Decision.ExhaustedAt is { } at ? Rfc3339.Format(Seconds(at)) : null,
                SuspendedCount = state.SuspensionsBy(one.Limit.Metadata.Uid).Count,
                Gpus = GpusOf(one.Limit, ledger),
            })
            .ToArray()
            is { Length: > 0 } all
            ? all
            : null;

    /// <summary>Returns the advice for running workloads, the most expensive first; null if there is none.</summary>
    private static IReadOnlyList<GpuBudgetAdvice>? Advice(
        BudgetObject budget,
        BudgetDecision decision,
        Func<WorkloadKey, IReadOnlyList<string>> adviceFor
    )
    {
        GpuBudgetAdvice[] advice =
        [
            .. decision
                .Workloads.Where(work => work.State == WorkloadState.Running)
                .Select(work => (Work: work, Sentences: adviceFor(work.Key)))
                .Where(one => one.Sentences.Count > 0)
                .OrderByDescending(one => one.Work.Spent)
                .ThenBy(one => one.Work.Key.Name, StringComparer.Ordinal)
                .SelectMany(one =>
                    one.Sentences.Select(sentence => new GpuBudgetAdvice
                    {
                        Namespace = NamespaceIn(budget, one.Work.Key.Namespace),
                        Kind = one.Work.Key.Kind,
                        Name = one.Work.Key.Name,
                        Text = sentence,
                    })
                )
                .Take(MostAdvice),
        ];
        return advice.Length > 0 ? advice : null;
    }

    private static string? NamespaceIn(BudgetObject budget, string ns) => budget is V1Alpha1ClusterGpuBudget ? ns : null;

    /// <summary>Returns the status of a budget without any valid spec. Nothing is enforced.</summary>
    public static GpuBudgetStatus Invalid(BudgetObject budget, string message, DateTimeOffset now) =>
        new()
        {
            ObservedGeneration = budget.Metadata.Generation,
            State = Reasons.InvalidSpec,
            Conditions = Bursar.Kubernetes.Conditions.Conditions.Set(
                budget.Status?.Conditions ?? [],
                new()
                {
                    Type = ConditionTypes.Ready,
                    Status = "False",
                    Reason = Reasons.InvalidSpec,
                    Message = message,
                    ObservedGeneration = budget.Metadata.Generation,
                },
                now
            ),
        };

    public static string Message(SpecRefusal refusal) =>
        $"{Message(refusal.Errors)}. {(refusal.InForce is { } generation ? $"The spec of generation {generation} stays in force" : "No valid spec of this budget is known: nothing is enforced")} until this is corrected.";

    public static string Message(IReadOnlyList<FieldError> errors) =>
        string.Join("; ", errors.Take(5).Select(e => $"{e.Path}: {e.Message}"))
        + (errors.Count > 5 ? $"; and {errors.Count - 5} more" : "");

    /// <summary>
    /// Returns the time until a new status must be written; null if nothing relevant changed. A new state, condition, window, suspension or
    /// decision, or an amount that moved by 1 % of the limit, is written at once. A changed burn rate, by which users see that pods have
    /// ended, is written after 5 s, all else after 1 min.
    /// </summary>
    public static TimeSpan? DueIn(GpuBudgetStatus? written, GpuBudgetStatus next, TimeSpan sinceWrite)
    {
        if (
            written is null
            || written.State != next.State
            || written.ObservedGeneration != next.ObservedGeneration
            || written.SuspendedCount != next.SuspendedCount
            || written.Limit != next.Limit
            || written.Decisions?.FirstOrDefault()?.Time != next.Decisions?.FirstOrDefault()?.Time
            || !(written.Conditions ?? [])
                .Select(c => (c.Type, c.Status, c.Reason))
                .SequenceEqual((next.Conditions ?? []).Select(c => (c.Type, c.Status, c.Reason)))
            || !(written.Workloads ?? [])
                .Select(w => (w.Namespace, w.Name, w.State, w.IdleSince))
                .Order()
                .SequenceEqual((next.Workloads ?? []).Select(w => (w.Namespace, w.Name, w.State, w.IdleSince)).Order())
            || written.NamespaceCount != next.NamespaceCount
            || !(written.Namespaces ?? []).SequenceEqual(next.Namespaces ?? [])
            || !(written.Grants ?? [])
                .Select(grant => (grant.Namespace, grant.Name, grant.EndedAt))
                .SequenceEqual((next.Grants ?? []).Select(grant => (grant.Namespace, grant.Name, grant.EndedAt)))
            || !LoansOf(written).SequenceEqual(LoansOf(next))
            || !(written.LoanRefusals ?? []).SequenceEqual(next.LoanRefusals ?? [])
            || !(written.Parents ?? []).SequenceEqual(next.Parents ?? [])
            || !(written.Children ?? []).Select(c => (c.Name, c.Limit)).SequenceEqual((next.Children ?? []).Select(c => (c.Name, c.Limit)))
            || written.PerLabelCount != next.PerLabelCount
            || written.PerLabelWithoutLimit != next.PerLabelWithoutLimit
            || (next.Limits ?? [])
                .Concat(next.PerLabel ?? [])
                .Any(one => IsNews(one, (written.Limits ?? []).Concat(written.PerLabel ?? [])))
            || IsAnotherWindow(written.Window, next.Window)
            || Moved(written.Spent, next.Spent, next.Limit)
            || Moved(written.Projected, next.Projected, next.Limit)
            || written.Forecast?.Method != next.Forecast?.Method
            || Moved(written.Forecast?.WindowEnd?.Likely, next.Forecast?.WindowEnd?.Likely, next.Limit)
        )
            return TimeSpan.Zero;
        var soon =
            written.BurnRatePerHour != next.BurnRatePerHour
            || !(written.Ended ?? [])
                .Select(one => (one.Name, one.Steps))
                .SequenceEqual((next.Ended ?? []).Select(one => (one.Name, one.Steps)));
        var sameReasons = (written.Workloads ?? [])
            .Select(w => (w.Name, GpuBudgetStatus.Mark(w.Reason)))
            .SequenceEqual((next.Workloads ?? []).Select(w => (w.Name, GpuBudgetStatus.Mark(w.Reason))));
        var sameAdvice = (written.Advice ?? [])
            .Select(one => (one.Name, GpuBudgetStatus.Mark(one.Text)))
            .SequenceEqual((next.Advice ?? []).Select(one => (one.Name, GpuBudgetStatus.Mark(one.Text))));
        if (
            !soon
            && sameReasons
            && sameAdvice
            && written.Spent == next.Spent
            && written.Projected == next.Projected
            && AmountsOf(written).SequenceEqual(AmountsOf(next))
            && written.OutsideSelector == next.OutsideSelector
        )
            return null;
        var pause = TimeSpan.FromSeconds(soon ? 5 : 60);
        return sinceWrite >= pause ? TimeSpan.Zero : pause - sinceWrite;
    }

    /// <summary>Whether the state of a limit, or one of its amounts by 1 %, differs from what is written.</summary>
    private static bool IsNews(GpuBudgetLimitStatus next, IEnumerable<GpuBudgetLimitStatus> written) =>
        written.FirstOrDefault(one => one.Name == next.Name) is { } before
        && (
            before.State != next.State
            || before.Limit != next.Limit
            || before.SuspendedCount != next.SuspendedCount
            || Moved(before.Spent, next.Spent, next.Limit)
            || Moved(before.Projected, next.Projected, next.Limit)
        );

    private static IEnumerable<(string?, string?, string?, string?, string?)> LoansOf(GpuBudgetStatus status) =>
        (status.Loans ?? []).Select(loan => (loan.Lender, loan.Borrower, loan.Lent, loan.Repaid, loan.Owed));

    private static IEnumerable<(string?, string?, string?)> AmountsOf(GpuBudgetStatus status) =>
        (status.Limits ?? []).Concat(status.PerLabel ?? []).Select(one => (one.Name, one.Spent, one.Projected));

    /// <summary>
    /// Whether the window begins at or after the end of the written one. A rolling window moves all the time, which is no change.
    /// </summary>
    private static bool IsAnotherWindow(GpuBudgetStatusWindow? written, GpuBudgetStatusWindow? next) =>
        written?.End is { } end && next?.Start is { } start && string.CompareOrdinal(start, end) >= 0;

    /// <summary>Returns a merge patch that also removes the fields that the new status no longer has.</summary>
    public static JsonObject Patch(BudgetObject budget, GpuBudgetStatus status)
    {
        var json = JsonSerializer.SerializeToNode(new V1Alpha1GpuBudget { Status = status }, ApiJson.GpuBudget)!["status"]!
            .DeepClone()
            .AsObject();
        foreach (
            var optional in (ReadOnlySpan<string>)
                [
                    "exhaustedAt",
                    "workloads",
                    "advice",
                    "ended",
                    "suspended",
                    "decisions",
                    "window",
                    "limit",
                    "spent",
                    "reserved",
                    "projected",
                    "forecast",
                    "remaining",
                    "percent",
                    "projectedPercent",
                    "burnRatePerHour",
                    "overspendBound",
                    "carriedOver",
                    "unstoppable",
                    "outsideSelector",
                    "countingSince",
                    "namespaceCount",
                    "rolledOver",
                    "granted",
                    "grants",
                    "borrowed",
                    "lent",
                    "owed",
                    "loans",
                    "loanRefusals",
                    "namespaces",
                    "parents",
                    "children",
                    "limits",
                    "perLabel",
                    "perLabelCount",
                    "perLabelWithoutLimit",
                    "currency",
                ]
        )
            if (!json.ContainsKey(optional))
                json[optional] = null;
        if (json["forecast"] is JsonObject forecast)
        {
            foreach (var field in (ReadOnlySpan<string>)["exhaustedAt", "coverage", "pastError"])
                if (!forecast.ContainsKey(field))
                    forecast[field] = null;
            foreach (var range in (ReadOnlySpan<string>)["windowEnd", "exhaustedAt"])
            foreach (var end in (ReadOnlySpan<string>)["low", "likely", "high"])
                if (forecast[range] is JsonObject ends && !ends.ContainsKey(end))
                    ends[end] = null;
        }
        if (json["unstoppable"] is JsonObject unstoppable && !unstoppable.ContainsKey("workloads"))
            unstoppable["workloads"] = null;
        return new()
        {
            ["metadata"] = new JsonObject { ["uid"] = budget.Metadata.Uid },
            ["status"] = json,
        };
    }

    private static bool Moved(string? before, string? after, string? limit) =>
        decimal.TryParse(before, System.Globalization.CultureInfo.InvariantCulture, out var old)
        && decimal.TryParse(after, System.Globalization.CultureInfo.InvariantCulture, out var now)
        && decimal.TryParse(limit, System.Globalization.CultureInfo.InvariantCulture, out var whole)
        && Math.Abs(now - old) >= whole / 100
        && now != old;

    /// <param name="budget">The budget.</param>
    /// <param name="decision">The decision on it.</param>
    /// <param name="severe">The limit inside it that is in the most severe state, if that is more severe than the budget's own.</param>
    private static IReadOnlyList<V1Condition> Conditions(
        BudgetObject budget,
        BudgetDecision decision,
        (BudgetObject Limit, BudgetDecision Decision)? severe,
        IEnumerable<(BudgetObject Limit, BudgetDecision Decision)> limits
    )
    {
        // A limit inside the budget has no status of its own for them.
        ConditionValue[] all =
        [
            .. decision
                .Conditions.Concat(
                    limits
                        .SelectMany(one => one.Decision.Conditions)
                        .Where(condition => condition.Type is ConditionTypes.BreakerOpen or ConditionTypes.Contested)
                )
                .DistinctBy(condition => condition.Type),
        ];
        var conditions =
            (budget.Status?.Conditions ?? []).Where(c => all.Any(d => d.Type == c.Type)).ToArray() as IReadOnlyList<V1Condition>;
        foreach (var own in all)
        {
            var value =
                own.Type == ConditionTypes.Ready
                && severe is { } one
                && one.Decision.Conditions.FirstOrDefault(condition => condition.Type == own.Type) is { } ready
                    ? ready with
                    {
                        Message = $"Limit {one.Limit.LimitName}: {ready.Message}",
                    }
                    : own;
            conditions = Bursar.Kubernetes.Conditions.Conditions.Set(
                conditions,
                new()
                {
                    Type = value.Type,
                    Status = value.Status switch
                    {
                        true => "True",
                        false => "False",
                        null => "Unknown",
                    },
                    Reason = value.Reason,
                    Message = value.Message,
                    ObservedGeneration = budget.Metadata.Generation,
                },
                decision.At
            );
        }
        return [.. conditions.OrderBy(c => c.Type == ConditionTypes.Ready ? 0 : 1).ThenBy(c => c.Type, StringComparer.Ordinal)];
    }

    private static GpuBudgetWorkload Workload(WorkloadVerdict verdict, string? ns, DateTimeOffset now) =>
        new()
        {
            Namespace = ns,
            Kind = verdict.Key.Kind,
            Name = verdict.Key.Name,
            Class = verdict.Class.ToString().ToLowerInvariant(),
            State = verdict.OtherBudgets is null ? verdict.State.ToString() : SuspendedByOtherBudget,
            Gpus = verdict.Gpus,
            RatePerHour = verdict.Rate?.ToString(),
            Spent = verdict.Spent.ToString(),
            Projected = verdict.Projected.ToString(),
            Eta =
                verdict.State is WorkloadState.Running && verdict.Estimate.IsKnown
                    ? new()
                    {
                        Low = Rfc3339.Format(Seconds(now + verdict.Estimate.Low)),
                        Likely = Rfc3339.Format(Seconds(now + verdict.Estimate.Likely + verdict.Estimate.LastWave)),
                        High = Rfc3339.Format(Seconds(now + verdict.Estimate.High + verdict.Estimate.LastWave)),
                        Source = verdict.Estimate.Source.ToString().ToLowerInvariant(),
                    }
                    : new() { Source = verdict.Estimate.Source.ToString().ToLowerInvariant() },
            MeteredBy = verdict.MeteredBy,
            IdleSince = verdict.IdleSince is { } idle ? Rfc3339.Format(Seconds(idle)) : null,
            Reason = $"{verdict.Reason}: {verdict.Sentence}",
            UnitCosts = verdict.UnitCosts is { } costs ? UnitCosts(costs) : null,
        };

    private static GpuBudgetForecast? Forecast(WindowForecast? forecast) =>
        forecast is null
            ? null
            : new()
            {
                WindowEnd = new()
                {
                    Low = forecast.Low?.ToString(),
                    Likely = forecast.Likely.ToString(),
                    High = forecast.High?.ToString(),
                },
                ExhaustedAt = (forecast.EarliestExhaustedAt ?? forecast.LikelyExhaustedAt ?? forecast.LatestExhaustedAt) is null
                    ? null
                    : new()
                    {
                        Low = Time(forecast.EarliestExhaustedAt),
                        Likely = Time(forecast.LikelyExhaustedAt),
                        High = Time(forecast.LatestExhaustedAt),
                    },
                Coverage = forecast.High is null ? null : SpendingModel.Coverage,
                Method = forecast.Method.ToString(),
                PastError = forecast.PastErrorPercent,
            };

    private static string? Time(DateTimeOffset? at) => at is { } time ? Rfc3339.Format(Seconds(time)) : null;

    private static GpuBudgetUnitCosts UnitCosts(UnitCosts costs) =>
        new()
        {
            PerGpuHour = costs.GpuHour?.ToString(),
            PerThousandTokens = costs.ThousandTokens?.ToString(9),
            PerRequest = costs.Request?.ToString(9),
            PerStep = costs.Step?.ToString(9),
            JoulesPerToken = costs.TokenJoules?.ToString("0.######", System.Globalization.CultureInfo.InvariantCulture),
        };

    private static string? NotZero(Amount amount) => amount == Amount.Zero ? null : amount.ToString();

    private static GpuBudgetLoan Loan(LoanRecord loan) =>
        new()
        {
            Lender = loan.Lender,
            Borrower = loan.Borrower,
            Lent = loan.Lent.ToString(),
            Repaid = loan.Repaid.ToString(),
            Owed = loan.Owed.ToString(),
        };

    private static GpuBudgetGrant Grant(GrantRecord grant) =>
        new()
        {
            Namespace = grant.Namespace,
            Name = grant.Name,
            Amount = grant.Amount.ToString(),
            Used = grant.Used.ToString(),
            ExpiresAt = Rfc3339.Format(grant.ExpiresAt),
            EndedAt = grant.EndedAt is { } ended ? Rfc3339.Format(Seconds(ended)) : null,
            RequestedBy = grant.RequestedBy,
            ApprovedBy = grant.ApprovedBy,
        };

    private static GpuBudgetDecision Decision(DecisionRecord record) =>
        new()
        {
            Time = Rfc3339.Format(record.Time),
            Action = record.Action,
            Object = record.Object,
            Reason = record.Reason,
            Message = record.Text,
            Amounts = record is { Limit: { } limit, Spent: { } spent }
                ? new() { Limit = limit.ToString(), Spent = spent.ToString() }
                : null,
        };

    private static DateTimeOffset Seconds(DateTimeOffset at) => new(at.Ticks - at.Ticks % TimeSpan.TicksPerSecond, TimeSpan.Zero);
}
