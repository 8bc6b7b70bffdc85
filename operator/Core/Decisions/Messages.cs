using System.Globalization;
using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Decisions;

/// <summary>
/// The sentences people read in Events, status and <c>bursar explain</c>: what happened, with the amounts, why, and what
/// it would take to go on.
/// </summary>
public static class Messages
{
    /// <param name="item">The work that is suspended.</param>
    /// <param name="plan">The evaluation.</param>
    /// <param name="needed">What all work together comes to.</param>
    /// <param name="enough">The limit that is enough to resume it; null where no limit alone is.</param>
    internal static string Overrun(CostedWorkload item, Plan plan, Amount needed, Amount? enough)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        var whole = item.Work.Spent + item.Cost.Planned;
        return $"Suspended: {This(item)} would cost {Money(whole)} {budget.Currency} in total ({Money(item.Work.Spent)} so far; {Length(item, budget)}). "
            + $"Budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} {budget.Currency} left in {Window.NameOf(budget.Window.Key)}"
            + (needed > balance.Spent + item.Cost.Planned ? $", and all its workloads together come to {Needed(needed)}" : "")
            + "."
            + ToResume(item, plan, enough)
            // Waiting would be in vain for what is larger than a whole window.
            + (
                ResumeRule.NeverFits(item, balance)
                    ? $" It does not fit a whole window of {Money(balance.Limit)} {budget.Currency} either."
                    : Otherwise(budget, enough, $"when other work ends and leaves enough, or {Later(budget)}")
            );
    }

    /// <summary>Says the same of work that is left alone in Observe mode.</summary>
    public static string Observed(string sentence) =>
        sentence.StartsWith("Suspended: ", StringComparison.Ordinal)
            ? $"Would be suspended: {sentence[11..].Replace(" To resume it now, raise ", " To keep it running, raise ", StringComparison.Ordinal).Replace(" Otherwise it resumes ", " Otherwise it would resume ", StringComparison.Ordinal).Replace(" It resumes ", " It would resume ", StringComparison.Ordinal)}"
        : sentence.StartsWith("Resumed ", StringComparison.Ordinal) ? $"Would be resumed {sentence[8..]}"
        : sentence;

    public const string NothingResumes = " Nothing is resumed in Observe mode.";

    /// <summary>The one place that names an amount as enough to resume work, and what limits cannot mend.</summary>
    private static string ToResume(CostedWorkload item, Plan plan, Amount? enough)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        if (enough is not { } limit)
            return (
                    ResumeRule.WindowEndsSoon(item, budget)
                        ? $" The window ends at {Time(budget.Window.End)}, too soon to name a limit."
                        : ""
                ) + Approve(budget);
        var others = balance.Unstoppable.RatePerHour;
        return $" To resume it now, raise the limit of budget {budget.Name} to at least {limit.ToShortString()} {budget.Currency}.{Approve(budget)}"
            + (
                !(others > HourlyCost.Zero)
                    ? ""
                    : $" {Names(balance.Unstoppable)} ({others} {budget.Currency}/h) cannot be suspended and {(balance.Unstoppable.Workloads.Count == 1 ? "uses" : "use")} the same budget: to keep {This(item)} running to its end, {(balance.Unstoppable.Workloads.Count == 1 ? "it" : "they")} must end too, or the limit must hold what {(balance.Unstoppable.Workloads.Count == 1 ? "it costs" : "they cost")}."
            );
    }

    /// <summary>When it resumes without a higher limit; with manual resumes it does not.</summary>
    private static string Otherwise(BudgetSnapshot budget, Amount? enough, string when) =>
        budget.Terms.Resume == ResumePolicy.Manual ? "" : $" {(enough is null ? "It" : "Otherwise it")} resumes {when}.";

    private static string Approve(BudgetSnapshot budget) =>
        budget.Terms.Resume == ResumePolicy.Manual
            ? $" Resumes of budget {budget.Name} are manual: set bursar.dev/resume: approved on it too."
            : "";

    private static string Names(Unstoppable unstoppable) =>
        string.Join(", ", unstoppable.Workloads.Take(3))
        + (unstoppable.Workloads.Count > 3 ? $" and {unstoppable.Workloads.Count - 3} more" : "");

    private static string This(CostedWorkload item) =>
        item.Work.Class switch
        {
            WorkloadClass.Training => "this job",
            WorkloadClass.Inference => "this inference workload",
            _ => "this workload",
        };

    public static string AtRisk(BudgetSnapshot budget, BudgetTotals balance, Outlook outlook) =>
        $"On the present course budget {budget.Name} reaches its limit of {Money(balance.Limit)} {budget.Currency} on {Time(outlook.RunsOutAt!.Value)}{(budget.Terms.Window.Period == WindowPeriod.Rolling ? "" : $", before {Window.NameOf(budget.Window.Key)} ends")}: "
        + $"{Money(balance.Spent)} is spent, its work costs {budget.BurnRate} {budget.Currency}/h now, and {Money(outlook.Unlimited)} would be spent without a limit.{Then(budget, outlook)} Raise the limit, add a top-up for {budget.Window.Key}, or end work.";

    public static string WillSuspendAhead(
        BudgetSnapshot budget,
        BudgetTotals balance,
        Outlook outlook,
        IReadOnlyList<CostedWorkload> next
    ) =>
        $"In about {Span(outlook.NextSuspendsAt!.Value - budget.Now)} (at {Time(outlook.NextSuspendsAt.Value)}) "
        + (
            outlook.ForecastAt is null
                ? $"budget {budget.Name} reaches its limit of {Money(balance.Limit)} {budget.Currency}; {Money(balance.Spent)} is spent.{Then(budget, outlook)} "
                : $"budget {budget.Name} no longer covers what its jobs cost to complete: {Money(balance.Planned)} of {Money(balance.Limit)} {budget.Currency} is spent and reserved now, and work without a reservation keeps spending.{ByForecast(budget, outlook, "then")}{(next.Count > outlook.ForecastSuspends.Count ? $" {Names(outlook.Suspends)} {(budget.Observes ? "would" : "will")} be suspended at the limit (at {Time(outlook.SuspendsAt!.Value)})." : "")} "
        )
        + $"Raise the limit or add a top-up for {budget.Window.Key} before then to keep {(next.Count == 1 ? "it" : "them")} running.";

    internal static string WillSuspendNext(BudgetSnapshot budget, NextWindowRisk next) =>
        $"In about {Span(next.Window.Start - budget.Now)} (at {Time(next.Window.Start)}) {Window.NameOf(next.Window.Key)} begins for budget {budget.Name}: its limit of {Money(next.Limit)} {budget.Currency} does not cover the {Needed(next.Needed)} that running work costs in it. "
        + $"{Names(next.Suspends)} {(budget.Observes ? "would" : "will")} be suspended then. Raise the limit or add a top-up for {next.Window.Key} before then to keep {(next.Suspends.Count == 1 ? "it" : "them")} running.";

    internal static string MayGrow(BudgetSnapshot budget, BudgetTotals balance, GrowthRisk growth) =>
        $"Budget {budget.Name} {(growth.Likely > balance.Allowed ? "does not cover its jobs" : "covers its jobs at their likely cost only")}: {Money(growth.Likely)} of {Money(balance.Limit)} {budget.Currency} is spent and reserved in {Window.NameOf(budget.Window.Key)}, and up to {Needed(growth.Most)} if they take longer. "
        + $"Then work {(budget.Observes ? "would be" : "is")} suspended, first among {Names(growth.Suspends)}. Raise the limit, add a top-up for {budget.Window.Key}, or end work.";

    public static string Overspent(BudgetSnapshot budget, BudgetTotals balance, Amount over, IReadOnlyList<CostedWorkload> runsOn) =>
        $"Budget {budget.Name} is overspent by {Money(over)} {budget.Currency}: {Money(balance.Spent)} of {Money(balance.Limit)} is spent in {Window.NameOf(budget.Window.Key)}, and {budget.BurnRate} {budget.Currency}/h keeps running: "
        + $"{Names([.. runsOn.OrderByDescending(item => item.Work.BurnRate)])}. {(budget.Observes ? "Nothing is suspended, since the budget only observes" : "Bursar cannot suspend or has not suspended this work")}; end it, scale it down, or raise the limit.";

    /// <summary>Suspended at the limit, and what runs past it.</summary>
    private static string Then(BudgetSnapshot budget, Outlook outlook)
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
        string.Join(", ", items.Take(5).Select(item => $"{item.Work.Key.Kind}/{item.Work.Key.Name}"))
        + (items.Count > 5 ? $" and {items.Count - 5} more" : "");

    public static string Unfinished(CostedWorkload item, BudgetSnapshot budget) =>
        $"Decided at {Time(item.Work.Suspension!.Since)} ({item.Work.Suspension.Reason}) and not carried out then, because Bursar was interrupted. It resumes when budget {budget.Name} covers it.";

    public static string CheckpointAwaited(CostedWorkload item, CheckpointRequest request, BudgetSnapshot budget) =>
        $"Checkpoint requested: the job is suspended when it reports that one is written, at {Time(request.Deadline)} at the latest; waiting costs up to {Money((item.Work.Rate ?? item.Work.BurnRate).For(request.Deadline - request.Requested))} {budget.Currency}. {request.Sentence}";

    public static string CheckpointWithdrawn(BudgetSnapshot budget, BudgetTotals balance) =>
        $"The request for a checkpoint is withdrawn, the job runs on: budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} {budget.Currency} left in {Window.NameOf(budget.Window.Key)}, {Money(balance.Planned)} is spent and reserved.";

    /// <summary>What a suspension says of the checkpoint that was asked for; empty for work that was not asked.</summary>
    public static string CheckpointOutcome(CostedWorkload item, CheckpointRequest? request, BudgetSnapshot budget)
    {
        if (request is null)
            return "";
        var since =
            item.Work.Checkpoint is not { } mark ? "what it has done since its start is lost"
            : mark.Step is { } step
                ? string.Create(CultureInfo.InvariantCulture, $"what it has done since step {step:N0} at {Time(mark.At)} is lost")
            : $"what it has done since its checkpoint of {Time(mark.At)} is lost";
        if (CheckpointRule.IsAcknowledged(item.Work, request))
            return item.Work.Checkpoint is { Step: { } saved } done
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $" Its checkpoint was acknowledged: only what it did after step {saved:N0} at {Time(done.At)} is lost."
                )
                : $" Its checkpoint was acknowledged{(item.Work.Checkpoint is { } at ? $": only what it did after {Time(at.At)} is lost" : "")}.";
        return budget.Now >= request.Deadline
            ? $" No checkpoint was acknowledged in {GoDuration.Format(request.Deadline - request.Requested)}: {since}."
            : $" The budget would be used up before {Time(request.Deadline)}, the deadline for its checkpoint: {since}.";
    }

    public static string Released(CostedWorkload item) =>
        item.Work.OtherBudgets is { } others
            ? $"This budget {(item.Work.Exempt ? "now exempts it" : "now keeps inference at its minimum replicas")}; {others} still suspends it."
        : item.Work.Exempt ? "Resumed: the budget now exempts it."
        : "Resumed: the budget now keeps inference at its minimum replicas.";

    /// <summary>Behind the sentence of a run that is suspended.</summary>
    public static string CronJobWaits(ObjectRef cronJob) => $"{cronJob.Kind} {cronJob.Name} is suspended while its run waits.";

    /// <summary>The Event on a CronJob that is suspended while its run waits.</summary>
    public static string CronJobSuspended(ObjectRef cronJob, string run, string budget) =>
        $"{CronJobWaits(cronJob)} {run} waits for budget {budget}.";

    public static string CronJobResumed(ObjectRef cronJob, string run) =>
        $"{cronJob.Kind} {cronJob.Name} makes runs again: {run} waits no more.";

    public static string With(string sentence, WorkloadSnapshot work) =>
        work.Consequence is { } consequence ? $"{sentence} {consequence}" : sentence;

    public static string NotFollowed(CostedWorkload item) =>
        $"Suspended, but {item.Work.NotSuspendable}. It costs {item.Work.BurnRate}/h until its pods end.";

    public static string Followed(CostedWorkload item) =>
        item.Work.State is WorkloadState.Running or WorkloadState.Pending
            ? "It is not suspended any more."
            : "Its suspension has taken effect: its pods have ended or are ending.";

    /// <summary>Before the sentence of a suspension that somebody had reverted.</summary>
    public static string SuspendedAgain(string? resumedBy, string sentence) =>
        $"Suspended again: {resumedBy ?? "another user or controller"} had resumed it. {(sentence.StartsWith("Suspended: ", StringComparison.Ordinal) ? Capital(sentence[11..]) : sentence)}";

    /// <summary>States that the budget's user released it by <c>bursar release</c>.</summary>
    public static string ReleasedByUser(BudgetSnapshot budget) =>
        $"Released at {Time(budget.ReleasedAt!.Value)} by bursar release: what it had suspended is resumed, and it suspends nothing until its spec changes"
        + (budget.Terms.Window.Period is WindowPeriod.Rolling or WindowPeriod.Once ? "" : $", until {Day(budget.Window.End)}")
        + $" or until bursar release gpub/{budget.Name} --end.";

    /// <summary>Why a suspended workload comes back that its budget no longer holds.</summary>
    public static string Restored(string why, string? stillHeldBy) =>
        stillHeldBy is null ? $"Resumed: {why}." : $"{char.ToUpperInvariant(why[0])}{why[1..]}; {stillHeldBy} still suspends it.";

    public static string Contested(SuspendedSnapshot suspended) =>
        $"{suspended.RevertedBy ?? "Another user or controller"} keeps resuming it; Bursar tries again every 5 minutes.";

    public const string BreakerOpen =
        "The forecast would suspend it, but too many of the cluster's workloads were suspended within minutes. To go on, run 'bursar reset-breaker'.";

    public static string Paused(BudgetSnapshot budget) => $"Forecasts paused: {budget.ForecastDoubt}.";

    public static string ProgressStale(CostedWorkload item) =>
        $"Forecast paused: {item.Work.Estimate.Detail}. Only the hard limit applies.";

    internal static string MinimumReplicasKeepRunning(CostedWorkload item, Plan plan, Amount? enough) =>
        $"Suspended: new jobs do not start while inference that keeps running will cost {Money(plan.Totals.MinimumReplicasCost)} {plan.Budget.Currency} until {Window.NameOf(plan.Budget.Window.Key)} ends, and budget {plan.Budget.Name} has {Money(plan.Totals.Limit - plan.Totals.Spent)} of {Money(plan.Totals.Limit)} left.{ToResume(item, plan, enough)}";

    public static string MinimumReplicasLeave(BudgetSnapshot budget, BudgetTotals balance) =>
        $"Inference that stays costs {Money(balance.MinimumReplicasCost)} {budget.Currency} to the end of {Window.NameOf(budget.Window.Key)}, more than is left: this work runs on until the limit of {Money(balance.Limit)} is reached.";

    internal static string Exhausted(CostedWorkload item, Plan plan, Amount? enough)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        return $"Suspended: budget {budget.Name} is used up: {Money(balance.Spent)} of {Money(balance.Limit)} {budget.Currency} is spent in {Window.NameOf(budget.Window.Key)}, and up to {Money(balance.OverspendBound)} is needed to shut work down. "
            + $"{Capital(This(item))} has cost {Money(item.Work.Spent)} {budget.Currency} and runs at {item.Work.Rate} {budget.Currency}/h.{ToResume(item, plan, enough)}{Otherwise(budget, enough, Later(budget))}";
    }

    internal static string RevertedAtLimit(CostedWorkload item, Plan plan, Amount bound, Amount? enough)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        return $"Suspended: budget {budget.Name} has nothing left for it: {Money(balance.Spent)} of {Money(balance.Limit)} {budget.Currency} is spent in {Window.NameOf(budget.Window.Key)}, and up to {Money(bound)} is needed to shut work down with it."
            + $"{ToResume(item, plan, enough)}{Otherwise(budget, enough, Later(budget))}";
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    /// <summary>Another budget holds it, and this one would not.</summary>
    public static string SuspendedByOther(CostedWorkload item, BudgetSnapshot budget) =>
        $"Suspended by {item.Work.OtherBudgets}. Budget {budget.Name} would let it run"
        + (
            item.Work.Class != WorkloadClass.Training ? "."
            : BudgetTotals.ReleasesReservation(item.Work, budget)
                ? $", {Length(item, budget)}; after ten minutes its reservation is released."
            : $", {Length(item, budget)}: {Money(item.Cost.Settled)} {budget.Currency} is kept for it."
        );

    /// <summary>What is to be said besides of work that other budgets hold as well.</summary>
    public static string AndOthers(WorkloadSnapshot work) => work.OtherBudgets is { } others ? $" It is also suspended by {others}." : "";

    public static string DurationUnknown(CostedWorkload item, BudgetSnapshot budget) =>
        $"Its duration is unknown, and budget {budget.Name} suspends such workloads (unknownDuration: Hold). It costs {item.Work.Rate}/h {budget.Currency}. "
        + "Set bursar.dev/expected-duration on it to let it run.";

    public static string Settling(BudgetSnapshot budget, BudgetMemory memory) =>
        $"It would overrun budget {budget.Name} and was running before the budget said so: it keeps running until {Time(memory.SettleUntil!.Value)}.";

    public static string WillSuspend(
        IReadOnlyCollection<CostedWorkload> items,
        BudgetSnapshot budget,
        BudgetTotals balance,
        Amount needed,
        BudgetMemory memory
    ) =>
        $"{Needed(needed)} {budget.Currency} is projected and {Money(balance.Limit)} is the limit: "
        + $"from {Time(memory.SettleUntil!.Value)} on workloads are suspended to close the gap, first among {string.Join(", ", items.Take(5).Select(i => i.Work.Key.Name))}.";

    public static string Announced(CostedWorkload item, BudgetSnapshot budget, DateTimeOffset until) =>
        $"Budget {budget.Name} no longer covers what this job costs to complete ({Length(item, budget)}). It {(budget.Observes ? "would be" : "is")} suspended at {Time(until)}, unless its estimate falls, the limit rises or other work ends.";

    public static string WillSuspendJobs(
        IReadOnlyList<CostedWorkload> items,
        BudgetSnapshot budget,
        BudgetTotals balance,
        Amount needed,
        DateTimeOffset until
    ) =>
        $"In about {Span(until - budget.Now)} (at {Time(until)}) {Names(items)} {(budget.Observes ? "would" : "will")} be suspended: {Needed(needed)} of {Money(balance.Limit)} {budget.Currency} is spent and reserved in {Window.NameOf(budget.Window.Key)}. "
        + $"Raise the limit or add a top-up for {budget.Window.Key} before then to keep {(items.Count == 1 ? "it" : "them")} running.";

    internal static string NeverFits(CostedWorkload item, Plan plan, Amount needed, Amount? enough)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        return $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(item, budget)}), more than a whole window of budget {budget.Name} has ({Money(balance.Limit)})."
            + $"{ToResume(item, plan, enough)} {(enough is null ? "Raise the limit, or" : "Or")} {(item.Work.Class == WorkloadClass.Inference ? "run fewer replicas" : "make it shorter")}.";
    }

    /// <param name="item">The suspended work.</param>
    /// <param name="plan">The evaluation.</param>
    /// <param name="mustRise">The present limit does not hold it.</param>
    /// <param name="enough">The limit that is enough to resume it once it is approved; null where none is named.</param>
    internal static string WaitsForApproval(CostedWorkload item, Plan plan, bool mustRise, Amount? enough) =>
        !mustRise
            ? $"Resumes of budget {plan.Budget.Name} are manual: set bursar.dev/resume: approved on it."
            : $"It waits for a higher limit and for an approval.{ToResume(item, plan, enough)}";

    /// <param name="item">The suspended work.</param>
    /// <param name="plan">The evaluation.</param>
    /// <param name="needed">What it needs itself.</param>
    /// <param name="enough">The limit that is enough to resume it; null where none is named.</param>
    internal static string Waits(CostedWorkload item, Plan plan, Amount needed, Amount? enough) =>
        $"{Needs(item, plan, needed)}{ToResume(item, plan, enough)}{Otherwise(plan.Budget, enough, $"when other work ends and leaves enough, or {Later(plan.Budget)}")}";

    private static string Needs(CostedWorkload item, Plan plan, Amount needed)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        return $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(item, budget)}); budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} left{(balance.Reserved > Amount.Zero ? ", part of it reserved for other work" : "")}.";
    }

    /// <param name="item">The suspended work, which the present limit holds.</param>
    /// <param name="plan">The evaluation.</param>
    /// <param name="needed">What it needs itself.</param>
    /// <param name="othersFirst">Other work is suspended or resumed before it.</param>
    internal static string WaitsThoughItFits(CostedWorkload item, Plan plan, Amount needed, bool othersFirst)
    {
        var what = Needs(item, plan, needed);
        return plan.FitsSince.TryGetValue(item.Work.Key.Uid, out var since) && !othersFirst
                ? $"{what} It has fitted since {Time(since)} and resumes at {Time(since + ResumeRule.WaitOf(item.Work.Suspension!))} if it still does, or earlier when the limit is raised or other work ends."
            : othersFirst ? $"{what} Other workloads are suspended or resumed before it."
            : $"{what} It fitted by as much when it was suspended, so it resumes when the limit is raised, when other work ends, or {Later(plan.Budget)}.";
    }

    public static string Resumed(CostedWorkload item, BudgetSnapshot budget, BudgetTotals balance, Amount needed, string cause) =>
        (
            item.Work.OtherBudgets is { } others
                ? $"Budget {budget.Name} would resume it ({Cause(cause)}), but {others} still suspends it"
                : $"Resumed ({Cause(cause)})"
        )
        + $": it needs {Money(needed)} {budget.Currency} with headroom ({Length(item, budget)}), and budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} {budget.Currency} left in {Window.NameOf(budget.Window.Key)}.";

    public static string Threshold(string basis, int percent, Amount amount, BudgetSnapshot budget, BudgetTotals balance) =>
        $"{(basis == "spent" ? "Spending" : "Projected spending")} in {Window.NameOf(budget.Window.Key)} is {Money(amount)} of {Money(balance.Limit)} {budget.Currency} ({amount.PercentOf(balance.Limit)} %); the {percent} % threshold is crossed.";

    /// <summary>Why a workload is left as it is.</summary>
    public static string Kept(CostedWorkload item, string reason, BudgetSnapshot budget) =>
        item.Work switch
        {
            { State: WorkloadState.SuspendedByOther } => "Suspended by a user or another controller: Bursar does not change it.",
            { IsSuspendedByOtherBudget: true } when reason == Reasons.SuspendedByOtherBudget => SuspendedByOther(item, budget),
            { State: WorkloadState.SuspendedByBudget } => $"Suspended since {Time(item.Work.Suspension!.Since)}.",
            { Rate: null } => "No price matches its GPUs: it is not counted.",
            { NotSuspendable: { } why } => $"Counted, and cannot be suspended: {why}.",
            { Exempt: true } => $"Counted, never suspended; {Length(item, budget)}.",
            { Class: WorkloadClass.Interactive } when !item.Suspendable =>
                $"Interactive workload: counted at {item.Work.Rate}/h, not suspended.",
            { Class: WorkloadClass.Inference } when !item.Suspendable =>
                $"Runs at {item.Work.Rate} {budget.Currency}/h to the end of the window, past the limit too (whenExhausted: MinReplicas).",
            { Class: WorkloadClass.Inference or WorkloadClass.Interactive } =>
                $"Runs at {item.Work.Rate} {budget.Currency}/h until the budget is used up.",
            _ when reason == Reasons.Expired => "The budget's window has ended: it admits nothing and suspends nothing.",
            _ when reason == Reasons.NotStarted => "The budget's window has not started.",
            { QueuedIn: { } queue } => $"It waits {queue}: nothing is reserved for it until it is admitted.",
            _ when BudgetTotals.ReleasesReservation(item.Work, budget) =>
                "No pod is bound to a node for ten minutes: its reservation is released.",
            _ => $"{Length(item, budget)}.",
        };

    private static string Length(CostedWorkload item, BudgetSnapshot budget) =>
        item.Work.Class == WorkloadClass.Inference ? $"{item.Work.Rate} {budget.Currency}/h for its replicas"
        : item.Work.Estimate.IsKnown
            ? $"about {Span(item.Work.Estimate.Likely)} left at {item.Work.Rate} {budget.Currency}/h, {(item.Work.Estimate.Source == EstimateSource.Progress ? "from its progress: " : "")}{item.Work.Estimate.Detail}"
        : $"duration unknown: {item.Work.Estimate.Detail}; {item.Work.Rate} {budget.Currency}/h";

    /// <summary>When time alone may bring it back.</summary>
    private static string Later(BudgetSnapshot budget) =>
        budget.Terms.Window.Period switch
        {
            WindowPeriod.Rolling => "when older spending leaves the rolling window",
            WindowPeriod.Once => "not by itself: there is no next window",
            _ => $"in the next window ({Day(budget.Window.End)})",
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

    /// <summary>An amount that a limit must hold.</summary>
    internal static string Needed(Amount amount) => amount.RoundUpToCent().ToShortString();

    /// <summary>Two units: 3 d 4 h, 3 h 20 min, 12 min 5 s.</summary>
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

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
