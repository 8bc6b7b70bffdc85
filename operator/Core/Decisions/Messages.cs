using System.Globalization;
using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Decisions;

/// <summary>
/// The texts of Events, status and <c>bursar explain</c>: what happened, the amounts, the reason, and what the user can do.
/// </summary>
public static class Messages
{
    public const string NoGridIntensity =
        "The default GpuPriceBook has no valid gridIntensity, so no further CO2e is counted. Add spec.gridIntensity to the book.";

    /// <param name="needed">The cost of all workloads together.</param>
    /// <param name="enough">The limit that is enough to resume the workload. Null: no limit alone is.</param>
    internal static string Overrun(CostedWorkload workload, Plan plan, Amount needed, Amount? enough)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        var (spent, whole) = (workload.Snapshot.Spent, workload.Snapshot.Spent + workload.Cost.Planned);
        return (
                workload.Snapshot.Estimate.IsKnown || workload.Snapshot.Class != WorkloadClass.Training
                    ? $"Suspended: {Noun(workload)} would {(budget.Terms.Counted.IsMeasured ? "use" : "cost")} {Money(whole)} {budget.Currency} {By(workload, budget)} ({Money(spent)} so far; {Length(workload, budget)}). "
                    : $"Suspended: the duration of {Noun(workload)} is unknown ({workload.Snapshot.Estimate.Detail}), and it counts with {Money(whole)} {budget.Currency} ({Money(spent)} so far; {Rate(workload, budget)}). "
            )
            + $"{Capital(budget.DisplayName)} has {Money(totals.Limit - totals.Spent)} of {Money(totals.Limit)} {budget.Currency} left in {Window.NameOf(budget.Window.Key)}"
            + (
                needed > totals.Spent + workload.Cost.Planned
                    ? $". With {Noun(workload)}, spent and reserved would come to {Needed(needed)} {budget.Currency}"
                    : ""
            )
            + "."
            + ToResume(workload, plan, enough)
            // A workload larger than a whole window waits in vain.
            + (
                ResumeRule.NeverFits(workload, totals)
                    ? $" It does not fit a whole window of {Money(totals.Limit)} {budget.Currency} either."
                    : ResumesOtherwise(budget, enough, OthersEnd)
            );
    }

    /// <summary>Rewords a suspension or resume for Observe mode, in which it is not carried out.</summary>
    public static string Observed(string sentence) =>
        sentence.StartsWith("Suspended: ", StringComparison.Ordinal)
            ? $"Would be suspended: {sentence[11..].Replace(" To resume it now, raise ", " To keep it running, raise ", StringComparison.Ordinal).Replace(" Otherwise it resumes ", " Otherwise it would resume ", StringComparison.Ordinal).Replace(" It resumes ", " It would resume ", StringComparison.Ordinal)}"
        : sentence.StartsWith("Resumed ", StringComparison.Ordinal) ? $"Would be resumed {sentence[8..]}"
        : sentence;

    public const string NothingResumes = " Nothing is resumed in Observe mode.";

    /// <summary>
    /// Names the limit that is enough to resume the workload, and what no limit can change. No other message names such an amount.
    /// </summary>
    private static string ToResume(CostedWorkload workload, Plan plan, Amount? enough)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        if (enough is not { } limit)
            return (
                    ResumeRule.WindowEndsSoon(workload, budget)
                        ? $" The window ends at {Time(budget.Window.End)}, too soon to name a limit."
                        : ""
                ) + Approve(budget);
        var others = totals.Unstoppable.RatePerHour;
        return $" To resume it now, raise {(budget.LimitName is null ? "the limit of " : "")}{budget.DisplayName} to at least {limit.ToShortString()} {budget.Currency} ({Covers(workload, plan)}).{Approve(budget)}"
            + (
                !(others > HourlyCost.Zero)
                    ? ""
                    : $" {Names(totals.Unstoppable)} ({others} {budget.RateUnit}) cannot be suspended and {(totals.Unstoppable.Workloads.Count == 1 ? "uses" : "use")} the same budget: to keep {Noun(workload)} running to its end, {(totals.Unstoppable.Workloads.Count == 1 ? "it" : "they")} must end too, or the limit must cover {(totals.Unstoppable.Workloads.Count == 1 ? "its" : "their")} cost."
            );
    }

    private const string OthersEnd = "when other workloads end and enough budget is left";

    /// <summary>
    /// Says when the workload resumes without a higher limit: on an event of this window, if one is named, or later. Empty for manual
    /// resumes.
    /// </summary>
    private static string ResumesOtherwise(BudgetSnapshot budget, Amount? enough, string? when)
    {
        if (budget.Terms.Resume == ResumePolicy.Manual)
            return "";
        var it = enough is null ? "It" : "Otherwise it";
        return (when, Later(budget)) switch
        {
            (null, null) => $" {it} stays suspended, because the budget has no next window.",
            (null, { } later) => $" {it} resumes {later}.",
            ({ } now, null) => $" {it} resumes {now}. The budget has no next window.",
            ({ } now, { } later) => $" {it} resumes {now}, or {later}.",
        };
    }

    /// <summary>Says what <see cref="ResumeRule.NamedLimit"/> covers beside past spending.</summary>
    private static string Covers(CostedWorkload workload, Plan plan)
    {
        var budget = plan.Budget;
        var own =
            workload.Snapshot.Class == WorkloadClass.Training && WorkloadCost.AfterResume(workload.Snapshot).IsKnown ? "its high estimate"
            : WorkloadCost.ReservesWindow(workload.Snapshot, budget) ? "its cost to the end of the window"
            : "an hour of its run";
        var headroom =
            budget.Terms.HeadroomPercent > 0
                ? string.Create(CultureInfo.InvariantCulture, $"{budget.Terms.HeadroomPercent} % headroom")
                : null;
        var others = budget.Workloads.Count > 1 ? "other workloads" : null;
        string[] parts = [own, .. new[] { headroom, others }.OfType<string>()];
        return $"covers {(parts.Length > 1 ? $"{string.Join(", ", parts[..^1])} and {parts[^1]}" : own)}";
    }

    /// <summary>The time of a planned cost, which counts only up to the end of the window.</summary>
    private static string By(CostedWorkload workload, BudgetSnapshot budget) =>
        workload.Snapshot.Estimate is { IsKnown: true } estimate
        && budget.Terms.Window.Period != WindowPeriod.Rolling
        && budget.Now + estimate.Likely > budget.Window.End
            ? $"by the end of {Window.NameOf(budget.Window.Key)}"
            : "in total";

    private static string Approve(BudgetSnapshot budget) =>
        budget.Terms.Resume == ResumePolicy.Manual
            ? $" Resumes of {budget.DisplayName} are manual: set bursar.dev/resume: approved on the workload too."
            : "";

    private static string Names(Unstoppable unstoppable) =>
        string.Join(", ", unstoppable.Workloads.Take(3))
        + (unstoppable.Workloads.Count > 3 ? $" and {unstoppable.Workloads.Count - 3} more" : "");

    private static string Noun(CostedWorkload workload) =>
        workload.Snapshot.Class switch
        {
            WorkloadClass.Training => "this job",
            WorkloadClass.Inference => "this inference workload",
            _ => "this workload",
        };

    public static string AtRisk(BudgetSnapshot budget, BudgetTotals totals, Outlook outlook) =>
        $"With its current workloads{CurrentRate(budget, outlook)}, {budget.DisplayName} reaches its limit of {Money(totals.Limit)} {budget.Currency} on {Time(outlook.RunsOutAt!.Value)}{(budget.Terms.Window.Period == WindowPeriod.Rolling ? "" : $", before {Window.NameOf(budget.Window.Key)} ends")}: "
        + $"{Money(totals.Spent)} is spent, and {Money(outlook.Unlimited)} would be spent without a limit.{WhatFollows(budget, outlook)} Raise the limit, add a top-up for {budget.Window.Key}, or stop workloads.";

    /// <summary>States the rate that an outlook starts from, and whether it falls before the limit is reached.</summary>
    internal static string CurrentRate(BudgetSnapshot budget, Outlook outlook) =>
        $" ({budget.BurnRate} {budget.RateUnit} now{(outlook.JobsEndBefore, outlook.JobsStopNow) switch
        {
            (true, true) => ", less as jobs end or are suspended",
            (true, false) => ", less as jobs end",
            (false, true) => ", less as jobs are suspended",
            _ => "",
        }})";

    public static string WillSuspendAhead(
        BudgetSnapshot budget,
        BudgetTotals totals,
        Outlook outlook,
        IReadOnlyList<CostedWorkload> next
    ) =>
        $"In about {Span(outlook.NextSuspendsAt!.Value - budget.Now)} (at {Time(outlook.NextSuspendsAt.Value)}) "
        + (
            outlook.ForecastAt is null
                ? $"{budget.DisplayName} reaches its limit of {Money(totals.Limit)} {budget.Currency}; {Money(totals.Spent)} is spent.{WhatFollows(budget, outlook)} "
                : $"{budget.DisplayName} no longer covers what its jobs cost to complete: {Money(totals.Planned)} of {Money(totals.Limit)} {budget.Currency} is spent and reserved now, and workloads without a reservation keep spending.{ByForecast(budget, outlook, "then")}{(next.Count > outlook.ForecastSuspends.Count ? $" {Names(outlook.Suspends)} {(budget.Observes ? "would" : "will")} be suspended at the limit (at {Time(outlook.SuspendsAt!.Value)})." : "")} "
        )
        + $"Raise the limit or add a top-up for {budget.Window.Key} before then to keep {(next.Count == 1 ? "it" : "them")} running.";

    internal static string WillSuspendNext(BudgetSnapshot budget, NextWindowRisk next) =>
        $"In about {Span(next.Window.Start - budget.Now)} (at {Time(next.Window.Start)}) {Window.NameOf(next.Window.Key)} begins for {budget.DisplayName}: its limit of {Money(next.Limit)} {budget.Currency} does not cover the {Needed(next.Needed)} that running workloads cost in it. "
        + $"{Names(next.Suspends)} {(budget.Observes ? "would" : "will")} be suspended then. Raise the limit or add a top-up for {next.Window.Key} before then to keep {(next.Suspends.Count == 1 ? "it" : "them")} running.";

    internal static string MayGrow(BudgetSnapshot budget, BudgetTotals totals, GrowthRisk growth) =>
        $"{Capital(budget.DisplayName)} {(growth.Likely > totals.Allowed ? "does not cover its jobs" : "covers its jobs at their likely cost only")}: {Money(growth.Likely)} of {Money(totals.Limit)} {budget.Currency} is spent and reserved in {Window.NameOf(budget.Window.Key)}, and up to {Needed(growth.Most)} if they take longer. "
        + $"Then workloads {(budget.Observes ? "would be" : "are")} suspended, first among {Names(growth.Suspends)}. Raise the limit, add a top-up for {budget.Window.Key}, or stop workloads.";

    internal static string ForecastOverBudget(BudgetSnapshot budget, BudgetTotals totals, WindowForecast forecast) =>
        $"{Capital(budget.DisplayName)} is forecast to spend {Money(forecast.Likely)} {budget.Currency}"
        + (forecast is { Low: { } low, High: { } high } ? $" ({Money(low)} to {Money(high)})" : "")
        + $" in {Window.NameOf(budget.Window.Key)}, {Money(forecast.Likely - totals.Limit)} more than its limit of {Money(totals.Limit)}: {Money(totals.Spent)} is spent, and the rest is what its workloads usually cost."
        + (forecast.LikelyExhaustedAt is { } at ? $" The limit is likely reached on {Time(at)}." : "")
        + $" This forecast suspends nothing. Raise the limit, add a top-up for {budget.Window.Key}, or start fewer workloads.";

    public static string Overspent(BudgetSnapshot budget, BudgetTotals totals, Amount over, IReadOnlyList<CostedWorkload> runsOn) =>
        $"{Capital(budget.DisplayName)} is overspent by {Money(over)} {budget.Currency}: {Money(totals.Spent)} of {Money(totals.Limit)} is spent in {Window.NameOf(budget.Window.Key)}, and {budget.BurnRate} {budget.RateUnit} keeps running: "
        + $"{Names([.. runsOn.OrderByDescending(workload => workload.Snapshot.BurnRate)])}. {(budget.Observes ? "Nothing is suspended, since the budget only observes" : "Bursar cannot suspend these workloads or has not suspended them")}. Stop them, scale them down, or raise the limit.";

    /// <summary>Names the workloads suspended at the limit, and those that run past it.</summary>
    private static string WhatFollows(BudgetSnapshot budget, Outlook outlook)
    {
        return ByForecast(
                budget,
                outlook,
                outlook.ForecastAt is { } at
                    ? $"on {Time(at)}, when the rest no longer covers what {(outlook.ForecastSuspends.Count == 1 ? "it costs" : "they cost")} to complete"
                    : ""
            )
            + (
                outlook.Suspends.Count == 0
                    ? ""
                    : $" {Names(outlook.Suspends)} {(budget.Observes ? "would" : "will")} be suspended {(outlook.ForecastAt is null ? "then" : "at the limit")}."
            )
            + (outlook.Continues.Count == 0 ? "" : $" {Names(outlook.Continues)} cannot be suspended and will overspend it.");
    }

    private static string ByForecast(BudgetSnapshot budget, Outlook outlook, string when) =>
        outlook.ForecastSuspends.Count == 0
            ? ""
            : $" {Names(outlook.ForecastSuspends)} {(budget.Observes ? "would" : "will")} be suspended {when}.";

    private static string Names(IReadOnlyList<CostedWorkload> items) =>
        string.Join(", ", items.Take(5).Select(workload => workload.DisplayName)) + (items.Count > 5 ? $" and {items.Count - 5} more" : "");

    public static string Unfinished(CostedWorkload workload, BudgetSnapshot budget) =>
        $"Suspended now: it was decided at {Time(workload.Snapshot.Suspension!.Since)} ({workload.Snapshot.Suspension.Reason}), before Bursar was interrupted. It resumes when {budget.DisplayName} covers it.";

    public static string CheckpointAwaited(CostedWorkload workload, CheckpointRequest request, BudgetSnapshot budget) =>
        $"Checkpoint requested: the job is suspended when it reports that one is written, at {Time(request.Deadline)} at the latest; waiting costs up to {Money((workload.Snapshot.Rate ?? workload.Snapshot.BurnRate).For(request.Deadline - request.Requested))} {budget.Currency}. {WithoutVerb(request.Sentence)}";

    public static string CheckpointWithdrawn(BudgetSnapshot budget, BudgetTotals totals) =>
        $"Checkpoint request withdrawn, the job keeps running: {budget.DisplayName} has {Money(totals.Limit - totals.Spent)} of {Money(totals.Limit)} {budget.Currency} left in {Window.NameOf(budget.Window.Key)}, {Money(totals.Planned)} is spent and reserved.";

    /// <summary>Describes the outcome of a checkpoint request. Empty if there was none.</summary>
    public static string CheckpointOutcome(CostedWorkload workload, CheckpointRequest? request, BudgetSnapshot budget)
    {
        if (request is null)
            return "";
        var since =
            workload.Snapshot.Checkpoint is not { } mark ? "what it has done since its start is lost"
            : mark.Step is { } step
                ? string.Create(CultureInfo.InvariantCulture, $"what it has done since step {step:N0} at {Time(mark.At)} is lost")
            : $"what it has done since its checkpoint of {Time(mark.At)} is lost";
        if (CheckpointRule.IsAcknowledged(workload.Snapshot, request))
            return workload.Snapshot.Checkpoint is { Step: { } saved } done
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $" Its checkpoint was acknowledged: only what it did after step {saved:N0} at {Time(done.At)} is lost."
                )
                : $" Its checkpoint was acknowledged{(workload.Snapshot.Checkpoint is { } at ? $": only what it did after {Time(at.At)} is lost" : "")}.";
        return budget.Now >= request.Deadline
            ? $" No checkpoint was acknowledged in {GoDuration.Format(request.Deadline - request.Requested)}: {since}."
            : $" The budget would be used up before {Time(request.Deadline)}, the deadline for its checkpoint: {since}.";
    }

    public static string Released(CostedWorkload workload) =>
        workload.Snapshot.OtherBudgets is { } others
            ? $"This budget {(workload.Snapshot.Exempt ? "now exempts it" : "now keeps inference at its minimum replicas")}; {others} still suspends it."
        : workload.Snapshot.Exempt ? "Resumed: the budget now exempts it."
        : "Resumed: the budget now keeps inference at its minimum replicas.";

    /// <summary>Follows the sentence of a suspended run of the CronJob.</summary>
    public static string CronJobWaits(ObjectRef cronJob) => $"{cronJob.Kind} {cronJob.Name} is suspended until its run resumes.";

    /// <summary>The Event on a CronJob that is suspended until its run resumes.</summary>
    public static string CronJobSuspended(ObjectRef cronJob, string run, string budget) =>
        $"{CronJobWaits(cronJob)} {run} waits for {budget}.";

    public static string CronJobResumed(ObjectRef cronJob, string run) =>
        $"{cronJob.Kind} {cronJob.Name} is resumed: {run} is no longer suspended.";

    public static string With(string sentence, WorkloadSnapshot workload) =>
        workload.Consequence is { } consequence ? $"{sentence} {consequence}" : sentence;

    public static string NotFollowed(CostedWorkload workload, BudgetSnapshot budget) =>
        $"Suspended, but {workload.Snapshot.NotSuspendable}. It costs {workload.Snapshot.BurnRate} {budget.RateUnit} until its pods end.";

    public static string Followed(CostedWorkload workload) =>
        workload.Snapshot.State is WorkloadState.Running or WorkloadState.Pending
            ? "It is not suspended any more."
            : "Its suspension has taken effect: its pods have ended or are ending.";

    /// <summary>Introduces a second suspension, after another actor resumed the workload.</summary>
    public static string SuspendedAgain(string? resumedBy, string sentence) =>
        $"Suspended again: {resumedBy ?? "another user or controller"} had resumed it. {WithoutVerb(sentence)}";

    public static string ReleasedByUser(BudgetSnapshot budget) =>
        $"Released at {Time(budget.ReleasedAt!.Value)} by bursar release: what it had suspended is resumed, and it suspends nothing until its spec changes"
        + (budget.Terms.Window.Period is WindowPeriod.Rolling or WindowPeriod.Once ? "" : $", until {Time(budget.Window.End)}")
        + $" or until bursar release {(budget.Namespace.Length > 0 ? $"gpub/{budget.Name} -n {budget.Namespace}" : $"cgpub/{budget.Name}")} --end.";

    /// <summary>Explains the resume of a workload that its budget no longer suspends.</summary>
    public static string Restored(string why, string? stillHeldBy) =>
        stillHeldBy is null ? $"Resumed: {why}." : $"{char.ToUpperInvariant(why[0])}{why[1..]}; {stillHeldBy} still suspends it.";

    public static string Contested(SuspendedSnapshot suspended) =>
        $"{suspended.RevertedBy ?? "Another user or controller"} keeps resuming it; Bursar tries again every 5 minutes.";

    public const string BreakerOpen =
        "It would be suspended, but too many of the cluster's workloads were suspended within minutes. To go on, run 'bursar reset-breaker'.";

    public static string Paused(BudgetSnapshot budget) => $"Forecasts paused: {budget.ForecastDoubt}.";

    public static string ProgressStale(CostedWorkload workload) =>
        $"Forecast paused: {workload.Snapshot.Estimate.Detail}. Only the hard limit applies.";

    internal static string MinimumReplicasKeepRunning(CostedWorkload workload, Plan plan, Amount? enough) =>
        $"Suspended: inference at minimum replicas will cost {Money(plan.Totals.MinimumReplicasCost)} {plan.Budget.Currency} by the end of {Window.NameOf(plan.Budget.Window.Key)}, and {plan.Budget.DisplayName} has {Money(plan.Totals.Limit - plan.Totals.Spent)} of {Money(plan.Totals.Limit)} {plan.Budget.Currency} left, so new jobs do not start.{ToResume(workload, plan, enough)}";

    public static string MinimumReplicasLeave(BudgetSnapshot budget, BudgetTotals totals) =>
        $"Inference at minimum replicas will cost {Money(totals.MinimumReplicasCost)} {budget.Currency} by the end of {Window.NameOf(budget.Window.Key)}, more than is left: this workload runs until the limit of {Money(totals.Limit)} is reached.";

    internal static string Exhausted(CostedWorkload workload, Plan plan, Amount? enough)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        return $"Suspended: {budget.DisplayName} is used up: {Money(totals.Spent)} of {Money(totals.Limit)} {budget.Currency} is spent in {Window.NameOf(budget.Window.Key)}, and up to {Money(totals.OverspendBound)} is needed to stop its workloads. "
            + $"{Capital(Noun(workload))} has {(budget.Terms.Counted.IsMeasured ? "used" : "cost")} {Money(workload.Snapshot.Spent)} {budget.Currency} and runs at {Rate(workload, budget)}.{ToResume(workload, plan, enough)}{ResumesOtherwise(budget, enough, null)}";
    }

    internal static string RevertedAtLimit(CostedWorkload workload, Plan plan, Amount bound, Amount? enough)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        return $"Suspended: {budget.DisplayName} has nothing left for it: {Money(totals.Spent)} of {Money(totals.Limit)} {budget.Currency} is spent in {Window.NameOf(budget.Window.Key)}, and up to {Money(bound)} is needed to stop its workloads and this one."
            + $"{ToResume(workload, plan, enough)}{ResumesOtherwise(budget, enough, null)}";
    }

    /// <summary>The reason for a suspension as a sentence of its own.</summary>
    private static string WithoutVerb(string sentence) =>
        sentence.StartsWith("Suspended: ", StringComparison.Ordinal) ? Capital(sentence[11..]) : sentence;

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>Describes a workload that another budget has suspended and this one would let run.</summary>
    public static string SuspendedByOther(CostedWorkload workload, BudgetSnapshot budget) =>
        workload.Snapshot.State == WorkloadState.Running
            ? $"It is about to be suspended by {workload.Snapshot.NotCoveredBy}; {budget.DisplayName} would let it run."
            : $"Suspended by {workload.Snapshot.OtherBudgets}. {Capital(budget.DisplayName)} would let it run"
                + (
                    workload.Snapshot.Class != WorkloadClass.Training ? "."
                    : workload.Snapshot.NotCoveredBy is { } others
                        ? $", {Length(workload, budget)}; nothing is reserved for it until it fits {others}."
                    : BudgetTotals.ReleasesReservation(workload.Snapshot, budget)
                        ? $", {Length(workload, budget)}; after ten minutes its reservation is released."
                    : $", {Length(workload, budget)}: {Money(workload.Cost.Settled)} {budget.Currency} is kept for it."
                );

    /// <summary>Describes a workload that both this budget and others have suspended, and that only the others do not cover.</summary>
    public static string WaitsForOthers(CostedWorkload workload, BudgetSnapshot budget) =>
        $"{Capital(budget.DisplayName)} would resume it, and it does not fit {workload.Snapshot.NotCoveredBy} yet. It costs {Money(workload.Cost.Likely)} {budget.Currency} to complete ({Length(workload, budget)}); nothing is reserved for it until then.";

    /// <summary>Adds the other budgets that have suspended the workload too.</summary>
    public static string AndOthers(WorkloadSnapshot workload) =>
        workload.OtherBudgets is { } others ? $" It is also suspended by {others}." : "";

    public static string DurationUnknown(CostedWorkload workload, BudgetSnapshot budget) =>
        $"Suspended: its duration is unknown, and {budget.DisplayName} suspends such workloads (unknownDuration: Hold). It costs {Rate(workload, budget)}. "
        + "Set bursar.dev/expected-duration on it to let it run.";

    public static string IdleSuspended(CostedWorkload workload, BudgetSnapshot budget, DateTimeOffset since) =>
        $"Suspended: {Idle(workload, budget, since)}, and {budget.DisplayName} suspends idle workloads after {GoDuration.Format(budget.Terms.Idle!.After)} (idle.action: Suspend). It cost {workload.Snapshot.Rate} {budget.Currency}/h. {OnlyUserResumes(workload.Snapshot.ResumeApproved)}";

    public static string IdleGpus(CostedWorkload workload, BudgetSnapshot budget, DateTimeOffset since) =>
        $"{Capital(Idle(workload, budget, since))}. It costs {workload.Snapshot.Rate} {budget.Currency}/h. Stop it if it is not needed, or give it fewer GPUs.";

    private static string Idle(CostedWorkload workload, BudgetSnapshot budget, DateTimeOffset since) =>
        $"its GPUs ({workload.Snapshot.Gpus}) have worked less than {budget.Terms.Idle!.BelowPercent} % of the time for {Span(budget.Now - since)} (since {Time(since)})";

    public static string WaitsForUser(CostedWorkload workload) =>
        $"Suspended since {Time(workload.Snapshot.Suspension!.Since)}, because its GPUs were idle. {OnlyUserResumes(workload.Snapshot.Suspension.Approved)}";

    /// <param name="wasApproved">Whether the annotation was already set when it was suspended, so that it approves nothing.</param>
    private static string OnlyUserResumes(bool wasApproved) =>
        $"It resumes only when a user resumes it{(wasApproved ? "." : ", or sets bursar.dev/resume: approved on it and the budget covers it.")}";

    public static string Settling(BudgetSnapshot budget, BudgetMemory memory) =>
        $"It exceeds {budget.DisplayName} and was running before the budget was created or lowered: it keeps running until {Time(memory.SettleUntil!.Value)}.";

    public static string WillSuspend(
        IReadOnlyCollection<CostedWorkload> items,
        BudgetSnapshot budget,
        BudgetTotals totals,
        Amount needed,
        BudgetMemory memory
    ) =>
        $"{Needed(needed)} {budget.Currency} is spent and reserved, over the limit of {Money(totals.Limit)}: "
        + $"from {Time(memory.SettleUntil!.Value)} on, workloads are suspended until the budget covers the rest, beginning with {Names([.. items])}.";

    public static string Announced(CostedWorkload workload, BudgetSnapshot budget, DateTimeOffset until) =>
        $"{Capital(budget.DisplayName)} no longer covers what this job costs to complete ({Length(workload, budget)}). It {(budget.Observes ? "would be" : "is")} suspended at {Time(until)}, unless its estimate falls, the limit rises or other workloads end.";

    public static string WillSuspendJobs(
        IReadOnlyList<CostedWorkload> items,
        BudgetSnapshot budget,
        BudgetTotals totals,
        Amount needed,
        DateTimeOffset until
    ) =>
        $"In about {Span(until - budget.Now)} (at {Time(until)}) {Names(items)} {(budget.Observes ? "would" : "will")} be suspended: {Needed(needed)} of {Money(totals.Limit)} {budget.Currency} is spent and reserved in {Window.NameOf(budget.Window.Key)}. "
        + $"Raise the limit or add a top-up for {budget.Window.Key} before then to keep {(items.Count == 1 ? "it" : "them")} running.";

    internal static string NeverFits(CostedWorkload workload, Plan plan, Amount needed, Amount? enough)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        return $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(workload, budget)}), more than a whole window of {budget.DisplayName} has ({Money(totals.Limit)})."
            + $"{ToResume(workload, plan, enough)} {(enough is null ? "Raise the limit, or" : "Or")} {(workload.Snapshot.Class == WorkloadClass.Inference ? "run fewer replicas" : "make it shorter")}.";
    }

    /// <param name="mustRise">Whether the present limit is too low.</param>
    /// <param name="enough">The limit that is enough to resume the workload once it is approved. Null: none is named.</param>
    internal static string WaitsForApproval(CostedWorkload workload, Plan plan, bool mustRise, Amount? enough) =>
        !mustRise
            ? $"Resumes of {plan.Budget.DisplayName} are manual: set bursar.dev/resume: approved on it."
            : $"It waits for a higher limit and for an approval.{ToResume(workload, plan, enough)}";

    /// <param name="needed">The amount that the workload needs.</param>
    /// <param name="enough">The limit that is enough to resume it. Null: none is named.</param>
    internal static string Waits(CostedWorkload workload, Plan plan, Amount needed, Amount? enough) =>
        $"{Needs(workload, plan, needed)}{ToResume(workload, plan, enough)}{ResumesOtherwise(plan.Budget, enough, OthersEnd)}";

    private static string Needs(CostedWorkload workload, Plan plan, Amount needed)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        return $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(workload, budget)}); {budget.DisplayName} has {Money(totals.Limit - totals.Spent)} of {Money(totals.Limit)} {budget.Currency} left{(totals.Reserved > Amount.Zero ? ", part of it reserved for other workloads" : "")}.";
    }

    /// <param name="needed">The amount that the workload needs.</param>
    /// <param name="othersFirst">Whether other workloads are suspended or resumed first.</param>
    internal static string WaitsThoughItFits(CostedWorkload workload, Plan plan, Amount needed, bool othersFirst)
    {
        var what = Needs(workload, plan, needed);
        return plan.FitsSince.TryGetValue(workload.Uid, out var since) && !othersFirst
                ? $"{what} It has fitted since {Time(since)} and resumes at {Time(since + ResumeRule.WaitOf(workload.Snapshot.Suspension!))} if it still does, or earlier when the limit is raised or other workloads end."
            : othersFirst ? $"{what} Other workloads are suspended or resumed before it."
            : $"{what} It fitted by as much when it was suspended, so it resumes when the limit is raised, when other workloads end{(Later(plan.Budget) is { } later ? $", or {later}" : "")}.";
    }

    public static string Resumed(CostedWorkload workload, BudgetSnapshot budget, BudgetTotals totals, Amount needed, string cause) =>
        (
            workload.Snapshot.OtherBudgets is { } others
                ? $"{Capital(budget.DisplayName)} resumes it ({Cause(cause)}) together with {others}"
                : $"Resumed ({Cause(cause)})"
        )
        + $": it needs {Money(needed)} {budget.Currency} with headroom ({Length(workload, budget)}), and {budget.DisplayName} has {Money(totals.Limit - totals.Spent)} of {Money(totals.Limit)} {budget.Currency} left in {Window.NameOf(budget.Window.Key)}.";

    public static string Threshold(string basis, int percent, Amount amount, BudgetSnapshot budget, BudgetTotals totals) =>
        $"{(basis == "spent" ? "Spending" : "Projected spending")}{(budget.LimitName is { } limit ? $" of limit {limit}" : "")} in {Window.NameOf(budget.Window.Key)} is {Money(amount)} of {Money(totals.Limit)} {budget.Currency} ({amount.PercentOf(totals.Limit)} %); the {percent} % threshold is crossed.";

    public static string TooManyLabelValues(string key, int without, int most) =>
        $"{without} values of label {key} have no limit of their own, because a budget can limit at most {most} values at a time. The limits of the budget itself apply to their workloads. Use a label with fewer values, or several budgets.";

    /// <summary>Explains why a workload is left as it is.</summary>
    public static string Kept(CostedWorkload workload, string reason, BudgetSnapshot budget) =>
        workload.Snapshot switch
        {
            { State: WorkloadState.SuspendedByOther } => "Suspended by a user or another controller: Bursar does not change it.",
            { State: not WorkloadState.SuspendedByBudget } when reason == Reasons.SuspendedByOtherBudget => SuspendedByOther(
                workload,
                budget
            ),
            { State: WorkloadState.SuspendedByBudget } => $"Suspended since {Time(workload.Snapshot.Suspension!.Since)}.",
            { Rate: null } => "No price matches its GPUs: it is not counted.",
            { NotSuspendable: { } why } => $"Counted, and cannot be suspended: {why}.",
            { Exempt: true } => $"Counted, never suspended; {Length(workload, budget)}.",
            { Class: WorkloadClass.Interactive } when !workload.Suspendable =>
                $"Interactive workload: counted at {Rate(workload, budget)}, not suspended.",
            { Class: WorkloadClass.Inference } when !workload.Suspendable =>
                $"Runs at {Rate(workload, budget)} to the end of the window, past the limit too (whenExhausted: MinReplicas).",
            { Class: WorkloadClass.Inference or WorkloadClass.Interactive } =>
                $"Runs at {Rate(workload, budget)} until the budget is used up.",
            _ when reason == Reasons.Expired => "The budget's window has ended: it admits nothing and suspends nothing.",
            _ when reason == Reasons.NotStarted => "The budget's window has not started.",
            { QueuedIn: { } queue } => $"It waits {queue}: nothing is reserved for it until it is admitted.",
            _ when BudgetTotals.ReleasesReservation(workload.Snapshot, budget) =>
                "No pod is bound to a node for ten minutes: its reservation is released.",
            _ => $"{Length(workload, budget)}.",
        };

    private static string Length(CostedWorkload workload, BudgetSnapshot budget) =>
        workload.Snapshot.Class == WorkloadClass.Inference ? $"{Rate(workload, budget)} for its replicas"
        : workload.Snapshot.Estimate.IsKnown
            ? $"about {Span(workload.Snapshot.Estimate.Likely)} left at {Rate(workload, budget)}, {(workload.Snapshot.Estimate.Source == EstimateSource.Progress ? "from its progress: " : "")}{workload.Snapshot.Estimate.Detail}"
        : $"duration unknown: {workload.Snapshot.Estimate.Detail}; {Rate(workload, budget)}";

    /// <summary>Says when the workload may resume only because time passes. Null: it may not.</summary>
    private static string? Later(BudgetSnapshot budget) =>
        budget.Terms.Window.Period switch
        {
            WindowPeriod.Rolling => "when older spending leaves the rolling window",
            WindowPeriod.Once => null,
            _ => $"in the next window ({Time(budget.Window.End)})",
        };

    private static string Cause(string reason) =>
        reason switch
        {
            Reasons.NewWindow => "a new window began",
            Reasons.BudgetRaised => "the budget was raised",
            Reasons.BudgetAvailable => "budget became available",
            Reasons.CostFell => "its rate fell",
            Reasons.FitsAgain => "it has fitted for ten minutes",
            Reasons.SpendRolledOff => "older spending left the rolling window",
            Reasons.Approved => "approved",
            Reasons.DurationKnown => "its duration is known now",
            Reasons.RecordRestored => "its record was lost and it fits",
            _ => "it fits the budget now",
        };

    private static string Money(Amount amount) => amount.ToShortString();

    private static string Rate(CostedWorkload workload, BudgetSnapshot budget) =>
        budget.Terms.Counted.IsMeasured && workload.Snapshot.Rate == HourlyCost.Zero
            ? $"an unknown rate of {budget.Currency}"
            : $"{workload.Snapshot.Rate} {budget.RateUnit}";

    /// <summary>Formats an amount that a limit must cover, rounded up.</summary>
    internal static string Needed(Amount amount) => amount.RoundUpToCent().ToShortString();

    /// <summary>Formats in at most two units: 3 d 4 h, 3 h 20 min, 12 min 5 s.</summary>
    internal static string Span(TimeSpan span)
    {
        static string Two(long large, string unit, long small, string of) =>
            small == 0 ? $"{large} {unit}" : $"{large} {unit} {small} {of}";
        if (span.TotalDays >= 2)
            return Two((long)span.TotalDays, "d", span.Hours, "h");
        if (span.TotalHours >= 1)
            return Two((long)span.TotalHours, "h", span.Minutes, "min");
        return span.TotalMinutes >= 1
            ? Two(span.Minutes, "min", span.Seconds, "s")
            : string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s");
    }

    /// <summary>Formats in UTC, with seconds only if there are any.</summary>
    public static string Time(DateTimeOffset at) =>
        at.UtcDateTime.ToString(at.Second == 0 ? "yyyy-MM-dd HH:mm 'UTC'" : "yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
