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
public static class Sentences
{
    /// <param name="item">The work that is parked.</param>
    /// <param name="plan">The evaluation.</param>
    /// <param name="needed">What all work together comes to.</param>
    /// <param name="toResume">The limit at which it would come back.</param>
    public static string Overrun(ChargedWork item, Plan plan, Amount needed, Amount toResume)
    {
        var (budget, balance) = (plan.Budget, plan.Balance);
        var whole = item.Work.Spent + item.Charge.Tested;
        return $"Its run is projected at {Money(whole)} {budget.Currency} ({Length(item)}), of which {Money(item.Work.Spent)} is spent; "
            + $"budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} left in {budget.Window.Key}"
            + (needed > balance.Spent + item.Charge.Tested ? $", and all its work together comes to {Money(needed)}" : "")
            + $". It resumes when the limit is {Ceiling(toResume)} or more"
            // Waiting would be in vain for what is larger than a whole window.
            + (ResumeRule.NeverFits(item, budget, balance) ? ": it needs more than a whole window has." : $", when work that ends frees the money, or {Later(budget)}.");
    }

    public static string Unfinished(ChargedWork item, BudgetSnapshot budget) =>
        $"Decided at {Time(item.Work.Parked!.Since)} ({item.Work.Parked.Reason}) and not carried out then: Bursar was interrupted. Budget {budget.Name} holds it until there is money for it.";

    public static string CheckpointAwaited(ChargedWork item, CheckpointRequest request, BudgetSnapshot budget) =>
        $"Asked for a checkpoint: it is parked when it says that one is written, at {Time(request.Deadline)} at the latest; waiting costs up to {Money((item.Work.Rate ?? item.Work.BurnRate).For(request.Deadline - request.Requested))} {budget.Currency}. {request.Sentence}";

    public static string CheckpointWithdrawn(ChargedWork item, BudgetSnapshot budget, Balance balance) =>
        $"No checkpoint is asked for any more, it runs on: budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} {budget.Currency} left in {budget.Window.Key}, {Money(balance.Projected)} is projected.";

    /// <summary>What a parking says of the checkpoint that was asked for; empty for work that was not asked.</summary>
    public static string CheckpointOutcome(ChargedWork item, CheckpointRequest? request, BudgetSnapshot budget)
    {
        if (request is null) return "";
        var since = item.Work.Checkpoint is not { } mark ? "what it has done since its start is lost"
            : mark.Step is { } step ? string.Create(CultureInfo.InvariantCulture, $"what it has done since step {step:N0} at {Time(mark.At)} is lost")
            : $"what it has done since its checkpoint of {Time(mark.At)} is lost";
        if (CheckpointRule.IsAcknowledged(item.Work, request))
            return item.Work.Checkpoint is { Step: { } saved } done ? string.Create(CultureInfo.InvariantCulture, $" Its checkpoint was acknowledged: only what it did after step {saved:N0} at {Time(done.At)} is lost.")
                : $" Its checkpoint was acknowledged{(item.Work.Checkpoint is { } at ? $": only what it did after {Time(at.At)} is lost" : "")}.";
        return budget.Now >= request.Deadline
            ? $" No checkpoint was acknowledged in {GoDuration.Format(request.Deadline - request.Requested)}: {since}."
            : $" The money does not last until {Time(request.Deadline)}, as long as its checkpoint was to be waited for: {since}.";
    }

    public static string Released(ChargedWork item) =>
        item.Work.HeldBy is { } others ? $"This budget {(item.Work.Exempt ? "now exempts it" : "now keeps inference at its floor")}; it is still held by {others}."
        : item.Work.Exempt ? "Resumed: the budget now exempts it." : "Resumed: the budget now keeps inference at its floor.";

    /// <summary>Behind the sentence of a run that is parked.</summary>
    public static string MakerWaits(HeldMaker maker) => $"{maker.Kind} {maker.Name} is suspended while its run waits.";

    public static string With(string sentence, WorkloadSnapshot work) => work.Consequence is { } consequence ? $"{sentence} {consequence}" : sentence;

    public static string NotFollowed(ChargedWork item) =>
        $"Suspended, but {item.Work.NotParkable}. It costs {item.Work.BurnRate}/h until its pods end.";

    public static string Followed(ChargedWork item) => item.Work.State is WorkloadState.Running or WorkloadState.Pending
        ? "It is not suspended any more."
        : "Its suspension has taken effect: its pods have ended or are ending.";

    /// <summary>Before the sentence of a suspension that somebody had reverted.</summary>
    public static string SuspendedAgain(string? resumedBy, string sentence) =>
        $"Suspended again: {resumedBy ?? "another user or controller"} had resumed it. {sentence}";

    /// <summary>What a budget's user ordered by <c>bursar release</c>.</summary>
    public static string ReleasedByUser(BudgetSnapshot budget) =>
        $"Released at {Time(budget.ReleasedAt!.Value)} by bursar release: what it had suspended is resumed, and it suspends nothing until its spec changes"
        + (budget.Terms.Window.Period is WindowPeriod.Rolling or WindowPeriod.Once ? "" : $", until {Day(budget.Window.End)}")
        + $" or until bursar release gpub/{budget.Name} --end.";

    /// <summary>Why a suspended workload comes back that its budget no longer holds.</summary>
    public static string GivenBack(string why, string? stillHeldBy) =>
        stillHeldBy is null ? $"Resumed: {why}." : $"{char.ToUpperInvariant(why[0])}{why[1..]}; it is still held by {stillHeldBy}.";

    public static string Contested(ParkedSnapshot parked) =>
        $"{parked.UndoneBy ?? "Someone else"} keeps resuming it; Bursar tries again every 5 minutes.";

    public const string Braked =
        "It would be parked by forecast, but too much of the cluster's work was parked within minutes: run 'bursar continue' to go on.";

    public static string Paused(BudgetSnapshot budget) => $"Forecasts pause: {budget.ForecastDoubt}.";

    public static string ProgressStale(ChargedWork item) => $"Its forecast pauses: {item.Work.Estimate.Detail}. Only the limit itself holds it.";

    public static string FloorHolds(BudgetSnapshot budget, Balance balance) =>
        $"New jobs are held: inference that stays costs {Money(balance.Floor)} {budget.Currency} to the end of {budget.Window.Key}, and budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} left.";

    public static string FloorLeaves(BudgetSnapshot budget, Balance balance) =>
        $"Inference that stays costs {Money(balance.Floor)} {budget.Currency} to the end of {budget.Window.Key}, more than is left: this work runs on until the limit of {Money(balance.Limit)} is reached.";

    public static string Exhausted(ChargedWork item, BudgetSnapshot budget, Balance balance) =>
        $"Budget {budget.Name} is exhausted: {Money(balance.Spent)} of {Money(balance.Limit)} {budget.Currency} is spent in {budget.Window.Key} and stopping costs up to {Money(balance.OverspendBound)}. "
        + $"This work spent {Money(item.Work.Spent)} and burns {item.Work.Rate}/h. It comes back when the limit is raised or {Later(budget)}.";

    public static string UndoneAtLimit(ChargedWork item, BudgetSnapshot budget, Balance balance, Amount bound) =>
        $"It was resumed, and budget {budget.Name} has no money for it: {Money(balance.Spent)} of {Money(balance.Limit)} {budget.Currency} is spent in {budget.Window.Key}, and with it stopping costs up to {Money(bound)}. "
        + $"It comes back when the limit is raised or {Later(budget)}.";

    /// <summary>Another budget holds it, and this one would not.</summary>
    public static string HeldByOther(ChargedWork item, BudgetSnapshot budget) =>
        $"Held by {item.Work.HeldBy}. As far as budget {budget.Name} is concerned it may run"
        + (item.Work.Class != WorkClass.Training ? "."
            : Balance.Lends(item.Work, budget) ? $", {Length(item)}; after ten minutes its money is lent to others."
            : $", {Length(item)}: {Money(item.Charge.Trusted)} {budget.Currency} is kept for it.");

    /// <summary>What is to be said besides of work that other budgets hold as well.</summary>
    public static string AndOthers(WorkloadSnapshot work) => work.HeldBy is { } others ? $" It is held by {others} as well." : "";

    public static string HeldUnknown(ChargedWork item, BudgetSnapshot budget) =>
        $"Nothing tells how long it runs, and budget {budget.Name} holds such work (unknownDuration: Hold). It costs {item.Work.Rate}/h {budget.Currency}. "
        + "Set bursar.dev/expected-duration on it to let it go on.";

    public static string Settling(ChargedWork item, BudgetSnapshot budget, BudgetMemory memory) =>
        $"It would overrun budget {budget.Name} and was running before the budget said so: it is left alone until {Time(memory.SettleUntil!.Value)}.";

    public static string WillSuspend(IReadOnlyCollection<ChargedWork> items, BudgetSnapshot budget, Balance balance, Amount needed, BudgetMemory memory) =>
        $"{Money(needed)} {budget.Currency} is projected and {Money(balance.Limit)} is the limit: "
        + $"from {Time(memory.SettleUntil!.Value)} on work is parked to close the gap, first among {string.Join(", ", items.Take(5).Select(i => i.Work.Key.Name))}.";

    public static string NeverFits(ChargedWork item, BudgetSnapshot budget, Balance balance, Amount needed, Amount toResume) =>
        $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(item)}), more than a whole window of budget {budget.Name} has ({Money(balance.Limit)}): raise the limit to {Ceiling(Amount.Max(needed, toResume))} or more, or {(item.Work.Class == WorkClass.Inference ? "run fewer replicas" : "make it shorter")}.";

    public static string WaitsForApproval(BudgetSnapshot budget) =>
        $"Resumes of budget {budget.Name} are manual: set bursar.dev/resume: approved on it.";

    public static string Waits(ChargedWork item, Plan plan, Amount needed, Amount toResume, bool hasCause)
    {
        var (budget, balance) = (plan.Budget, plan.Balance);
        var what = $"It needs {Money(needed)} {budget.Currency} with headroom ({Length(item)}); with what is spent and reserved that comes to {Money(toResume)}, budget {budget.Name} has {Money(balance.Limit)}. ";
        if (toResume > balance.Limit) return what + $"It resumes at a limit of {Ceiling(toResume)}, when work that ends frees the money, or {Later(budget)}.";
        return what + (hasCause ? "It is the turn of others first." : $"Nothing has changed since it was parked: it resumes when the limit is raised, when other work ends, or {Later(budget)}.");
    }

    public static string Resumed(ChargedWork item, BudgetSnapshot budget, Balance balance, Amount needed, string cause) =>
        (item.Work.HeldBy is { } others ? $"Budget {budget.Name} would let it go on ({Cause(cause)}); it is still held by {others}" : $"Resumed ({Cause(cause)})")
        + $": it needs {Money(needed)} {budget.Currency} with headroom ({Length(item)}), and budget {budget.Name} has {Money(balance.Limit - balance.Spent)} of {Money(balance.Limit)} left in {budget.Window.Key}.";

    public static string Threshold(string basis, int percent, Amount amount, BudgetSnapshot budget, Balance balance) =>
        $"{Money(amount)} of {Money(balance.Limit)} {budget.Currency} is {basis} in {budget.Window.Key}: {percent} % is reached.";

    /// <summary>Why a workload is left as it is.</summary>
    public static string Kept(ChargedWork item, string reason, BudgetSnapshot budget) => item.Work switch
    {
        { State: WorkloadState.Suspended } => "Suspended by someone else: Bursar does not touch it.",
        { IsHeldByOther: true } when reason == Reasons.HeldByOtherBudget => HeldByOther(item, budget),
        { State: WorkloadState.Parked } => $"Parked since {Time(item.Work.Parked!.Since)}.",
        { Rate: null } => "No price matches its GPUs: it is not counted.",
        { NotParkable: { } why } => $"Counted, and cannot be parked: {why}.",
        { Exempt: true } => $"Counted, never parked; {Length(item)}.",
        { Class: WorkClass.Interactive } when !item.Parkable => $"Interactive work: counted at {item.Work.Rate}/h, not parked.",
        { Class: WorkClass.Inference } when !item.Parkable => $"{item.Work.Rate}/h stays to the window's end.",
        { Class: WorkClass.Inference or WorkClass.Interactive } => $"Runs at {item.Work.Rate}/h until the money ends.",
        _ when reason == Reasons.Expired => "The budget's window has ended: it admits nothing and parks nothing.",
        _ when reason == Reasons.NotStarted => "The budget's window has not started.",
        { WaitsIn: { } queue } => $"It waits {queue}: nothing is reserved for it until it is let go.",
        _ when Balance.Lends(item.Work, budget) => "Without a bound pod for ten minutes: its reservation is lent to others.",
        _ => $"{Length(item)}.",
    };

    private static string Length(ChargedWork item) => item.Work.Class == WorkClass.Inference
        ? $"{item.Work.Rate}/h for its replicas"
        : item.Work.Estimate.IsKnown
            ? $"{Span(item.Work.Estimate.Mid)} left at {item.Work.Rate}/h, {(item.Work.Estimate.Source == EstimateSource.Progress ? "by progress, " : "")}{item.Work.Estimate.Detail}"
            : $"length unknown: {item.Work.Estimate.Detail}; {item.Work.Rate}/h";

    /// <summary>When time alone may bring it back.</summary>
    private static string Later(BudgetSnapshot budget) => budget.Terms.Window.Period switch
    {
        WindowPeriod.Rolling => "when older spending leaves the rolling window",
        WindowPeriod.Once => "not by itself: there is no next window",
        _ => $"in the next window ({Day(budget.Window.End)})",
    };

    private static string Cause(string reason) => reason switch
    {
        Reasons.NewWindow => "a new window began",
        Reasons.BudgetRaised => "the budget was raised",
        Reasons.MoneyFreed => "work that ended freed money",
        Reasons.MoneyRolledOff => "older spending left the rolling window",
        Reasons.Approved => "approved",
        Reasons.LengthKnown => "its length is known now",
        Reasons.RecordRestored => "its record was lost and it fits",
        _ => "it fits now",
    };

    private static string Money(Amount amount) => amount.ToShortString();

    /// <summary>Rounded up to a cent: "2.30 or more" must be enough when 2.295 is needed.</summary>
    private static string Ceiling(Amount amount)
    {
        var cent = Amount.FromDecimal(0.01m).Units;
        return new Amount((amount.Units + cent - 1) / cent * cent).ToShortString();
    }

    private static string Span(TimeSpan span) => span.TotalHours >= 48
        ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0.#} d")
        : span.TotalHours >= 3 ? string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0.#} h")
        : string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s");

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
