using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Wording;

/// <summary>The messages of budgets: budget nlp has 50 USD for November, and job train costs 30.60 more.</summary>
internal static class BudgetMessages
{
    private static readonly WorkloadSnapshot Train = Job("train", 10, spent: 2);
    private static readonly WorkloadSnapshot Chat = Serving("chat");
    private static readonly BudgetSnapshot November = Budget(50, Train, Job("other", 3));
    private static readonly BudgetSnapshot Rolling = In(new(WindowPeriod.Rolling, Length: TimeSpan.FromDays(7)), November);
    private static readonly BudgetSnapshot Once = In(new(WindowPeriod.Once, Start: Now.AddDays(-1), End: Now.AddDays(1)), November);
    private static readonly BudgetSnapshot Observing = With(November, terms => terms with { Mode = EnforcementMode.Observe });
    private static readonly BudgetSnapshot Manual = With(November, terms => terms with { Resume = ResumePolicy.Manual });
    private static readonly BudgetSnapshot Ending = November with { Now = November.Window.End.AddMinutes(-5) };
    private static readonly SuspendedSnapshot Suspended = new()
    {
        Since = Now.AddMinutes(-5),
        Reason = Reasons.ProjectedOverBudget,
        Confirmed = true,
    };

    public static void AddTo(MessageTable table)
    {
        Estimates(table);
        Suspensions(table);
        Checkpoints(table);
        Waits(table);
        Resumes(table);
        Rest(table);
        Warnings(table);
        Conditions(table);
        Grants(table);
        Loans(table);
    }

    private static void Loans(MessageTable table)
    {
        table.Section("Loans: Events on both budgets and on the workloads, and status.loanRefusals");
        LoanRecord loan = new()
        {
            LenderUid = "vision",
            Lender = "team-vision/vision",
            BorrowerUid = November.Uid,
            Borrower = "team/nlp",
            Window = November.Window.Key,
            Start = November.Window.Start,
            Lent = Money(8),
            OwedBefore = Money(30),
            Repaid = Money(20),
        };
        var second = loan with { LenderUid = "speech", Lender = "team-speech/speech" };
        var jobs = Enumerable.Range(1, 7).Select(i => Job($"train-{i}", 10)).ToArray();
        table.Add(Reasons.Borrowed, LoanMessages.Borrowed(November, November with { Loans = [loan] }, Money(58), jobs[..1]));
        table.Add(Reasons.Borrowed, LoanMessages.Borrowed(November, November with { Loans = [loan, second] }, Money(66), jobs));
        table.Add(Reasons.Lent, LoanMessages.Lent(November, loan, Money(42)));
        table.Add(Reasons.LoanRepaid, LoanMessages.Repays(November, loan));
        table.Add(Reasons.LoanRepaid, LoanMessages.IsRepaid(November, loan with { Repaid = Money(30) }));
        var other = loan with { Unit = UsageUnit.GpuHours };
        table.Add(Reasons.LoanInOtherUnit, LoanMessages.InOtherUnit(November, other));
        table.Add(
            Reasons.LoanInOtherUnit,
            LoanMessages.InOtherUnit(November with { Uid = "vision", Currency = "GPU-hours" }, loan with { Unit = UsageUnit.Cost })
        );
        foreach (
            var refusal in (string[])
                [
                    LoanMessages.LimitReached(Money(30), November),
                    LoanMessages.NoCommonBudget,
                    LoanMessages.SharesWorkloads,
                    LoanMessages.OtherWindow,
                    LoanMessages.OtherCurrency("EUR"),
                    LoanMessages.Borrows,
                    LoanMessages.NothingLeft,
                ]
        )
            table.Add("status.loanRefusals", refusal);
    }

    private static void Grants(MessageTable table)
    {
        table.Section("Requests and grants: Events, and the condition Granted of a request");
        GrantRequest request = new()
        {
            Uid = "uid",
            Namespace = "team",
            Name = "nlp-7x2kp",
            Amount = Money(50),
            Reason = "deadline on Friday",
            RequestedBy = "ann",
        };
        void Decided(GrantRequest request, BudgetSnapshot? budget = null)
        {
            var decision = GrantDecider.Decide(new(budget ?? November, [], [request]));
            foreach (var verdict in decision.Verdicts)
                table.Add(verdict.Reason, verdict.Message);
            // The request is deleted, and on another day it has expired.
            foreach (var (days, requests) in ((int, GrantRequest[])[])[(0, []), (40, [request])])
            foreach (
                var one in GrantDecider
                    .Decide(new((budget ?? November) with { Now = Now.AddDays(days) }, decision.Records, requests))
                    .Announcements
            )
                table.Add($"Event {one.Reason}", one.Sentence);
        }
        Decided(request);
        Decided(request with { IsApproved = true, AnsweredBy = "bob" });
        Decided(request with { IsApproved = true, AnsweredBy = "bob" }, November with { Spent = Money(60) });
        Decided(request with { IsApproved = true, RequestedBy = null });
        Decided(request with { IsApproved = true }, Rolling with { Spent = Money(60) });
        Decided(request with { IsApproved = true }, November with { Spent = Money(200) });
        Decided(request, With(November, terms => terms with { AutoApprove = new(100, 1) }));
        Decided(request with { IsDenied = true, Answer = "the window ends tomorrow", AnsweredBy = "bob" });
        Decided(request with { IsDenied = true });
        Decided(request with { Until = Now.AddDays(-1) });
        Decided(request with { GrantedBefore = ("2026-10", Now.AddDays(-9)) });
        Decided(request, Once with { Now = Once.Window.End });
        Decided(request with { Currency = "EUR" });
        table.Add(Reasons.TooManyGrants, GrantMessages.TooMany(November));
        foreach (var why in Enum.GetValues<MissingBudget>())
            table.Add(Reasons.BudgetNotFound, GrantMessages.NoBudget("GpuBudget nlp", why));
    }

    private static void Suspensions(MessageTable table)
    {
        table.Section("Suspensions: an Event Suspended, SuspendedAgain or ScaledToZero, and then status.workloads[].reason");
        void Overrun(BudgetSnapshot budget, decimal? enough)
        {
            var (plan, item) = Begin(budget);
            table.Add($"{Reasons.ProjectedOverBudget}, {Reasons.DoesNotFit}", Messages.Overrun(item, plan, Money(64), Amounts(enough)));
        }
        Overrun(November, 66);
        Overrun(Observing, 66);
        Overrun(Manual, 66);
        Overrun(Rolling, 66);
        Overrun(Once, null);
        Overrun(OfLimit("gpuHours"), 66);
        Overrun(OfLimit("energyKWh", UsageUnit.Energy), 66);
        Overrun(OfLimit("co2eKg", UsageUnit.Co2e), 66);
        Overrun(Ending, null);
        Overrun(Budget(5, Train), 34);
        Overrun(Budget(50, Train, Chat with { NotSuspendable = "" }), 66);
        Overrun(Budget(50, [Train, .. Enumerable.Range(1, 4).Select(i => Serving($"chat-{i}") with { NotSuspendable = "" })]), 66);
        foreach (
            var estimate in (Estimate[])
                [
                    Estimate.Unknown("set bursar.dev/expected-duration or report progress"),
                    new(
                        TimeSpan.FromHours(2),
                        TimeSpan.FromHours(3),
                        TimeSpan.FromHours(4),
                        EstimateSource.Declared,
                        true,
                        "bursar.dev/expected-duration"
                    ),
                ]
        )
            Overrun(Budget(50, Train with { Estimate = estimate }), 66);
        foreach (
            var budget in (BudgetSnapshot[])
                [Budget(50, Train), Budget(50, Chat), Budget(50, Chat with { Class = WorkloadClass.Interactive }), Once]
        )
        {
            var (plan, item) = Begin(budget);
            table.Add(Reasons.Exhausted, Messages.Exhausted(item, plan, Money(66)));
        }
        var tokens = OfLimit("tokens", UsageUnit.Tokens);
        var (used, unpredicted) = Begin(tokens with { Workloads = [Train with { Rate = HourlyCost.Zero }] });
        table.Add(Reasons.Exhausted, Messages.Exhausted(unpredicted, used, Money(66)));
        table.Add(Reasons.Fits, Messages.Kept(unpredicted, Reasons.Fits, tokens));
        var (november, train) = Begin(November);
        table.Add(Reasons.SuspendedAgain, Messages.RevertedAtLimit(train, november, Money(3), Money(66)));
        table.Add(Reasons.SuspendedAgain, Messages.SuspendedAgain("kubectl", Messages.Overrun(train, november, Money(64), Money(66))));
        table.Add(Reasons.SuspendedAgain, Messages.SuspendedAgain(null, Messages.DurationUnknown(train, November)));
        table.Add(Reasons.DoesNotFit, Messages.MinimumReplicasKeepRunning(train, november, Money(66)));
        table.Add(Reasons.UnknownDuration, Messages.DurationUnknown(train, November));
        var idle = With(November, terms => terms with { Idle = new(TimeSpan.FromHours(2), 3, IdleAction.Suspend) });
        table.Add(Reasons.SuspendedIdle, Messages.IdleSuspended(train, idle, Now.AddMinutes(-150)));
        var (_, approved) = Begin(Budget(50, Train with { ResumeApproved = true }));
        table.Add(Reasons.SuspendedIdle, Messages.IdleSuspended(approved, idle, Now.AddMinutes(-150)));
        var (_, stopped) = Begin(Budget(50, Train.Suspended(50, Reasons.SuspendedIdle)));
        table.Add(Reasons.SuspendedIdle, Messages.WaitsForUser(stopped));
        table.Add(Reasons.IdleGpus, Messages.IdleGpus(train, idle, Now.AddMinutes(-150)));
        var (suspended, again) = Begin(Budget(50, Train with { Suspension = Suspended with { Confirmed = false } }));
        table.Add(Reasons.ProjectedOverBudget, Messages.Unfinished(again, suspended.Budget));
        table.Add("in Observe mode", Messages.Observed(Messages.Overrun(train, november, Money(64), Money(66))));
        table.Add("in Observe mode", Messages.Observed(Messages.Overrun(train, november, Money(64), null)));
        table.Add("in Observe mode", Messages.Observed(Messages.Resumed(train, November, november.Totals, Money(31), Reasons.Approved)));
        table.Add("in Observe mode, after any of them", Messages.NothingResumes);
        table.Add("after any of them", Messages.With("", Train with { Consequence = "CronJob nightly is suspended too." }));
        table.Add("after any of them", Messages.AndOthers(Train with { OtherBudgets = "budget other" }));
        ObjectRef nightly = new("batch/v1", "CronJob", "nightly", "uid-nightly");
        table.Add("after any of them, of a CronJob's run", Messages.CronJobWaits(nightly));
        table.Add("Event Suspended on the CronJob", Messages.CronJobSuspended(nightly, "Job nightly-1", "budget nlp"));
        table.Add("Event Resumed on the CronJob", Messages.CronJobResumed(nightly, "Job nightly-1"));
    }

    private static void Checkpoints(MessageTable table)
    {
        table.Section("Checkpoints: Events CheckpointRequested and CheckpointWithdrawn, and after the sentence of the suspension");
        var (plan, train) = Begin(November);
        var request = CheckpointRule.Make(November, Train, Messages.DurationUnknown(train, November), Suspended);
        table.Add(Reasons.CheckpointRequested, Messages.CheckpointAwaited(train, request, November));
        table.Add(Reasons.CheckpointWithdrawn, Messages.CheckpointWithdrawn(November, plan.Totals));
        CheckpointMark?[] marks = [null, new(Now.AddMinutes(-30), null), new(Now.AddMinutes(-30), 12_000)];
        foreach (var mark in marks)
        {
            void Outcome(BudgetSnapshot budget, string? acknowledged) =>
                table.Add(
                    "after it",
                    Messages.CheckpointOutcome(
                        train with
                        {
                            Snapshot = Train with { Checkpoint = mark, CheckpointAcknowledged = acknowledged },
                        },
                        request,
                        budget
                    )
                );
            Outcome(November, request.Id);
            Outcome(November, null);
            Outcome(November with { Now = request.Deadline }, null);
        }
    }

    private static void Waits(MessageTable table)
    {
        table.Section("Suspended workloads: status.workloads[].reason");
        var (plan, train) = Begin(Budget(50, Train.Suspended(50), Job("other", 3)));
        table.Add(Reasons.WaitingForBudget, Messages.Waits(train, plan, Money(34), Money(66)));
        table.Add(Reasons.WaitingForBudget, Messages.Waits(train, plan, Money(34), null));
        table.Add(Reasons.WaitingForBudget, Messages.WaitsThoughItFits(train, plan, Money(34), othersFirst: true));
        table.Add(Reasons.WaitingForBudget, Messages.WaitsThoughItFits(train, plan, Money(34), othersFirst: false));
        plan.FitsSince[Train.Key.Uid] = Now.AddMinutes(-2);
        table.Add(Reasons.WaitingForBudget, Messages.WaitsThoughItFits(train, plan, Money(34), othersFirst: false));
        table.Add(Reasons.NeverFits, Messages.NeverFits(train, plan, Money(71), Money(72)));
        table.Add(Reasons.NeverFits, Messages.NeverFits(train, plan, Money(71), null));
        table.Add(Reasons.NeverFits, Messages.NeverFits(train with { Snapshot = Chat.Suspended(50) }, plan, Money(71), Money(72)));
        table.Add(Reasons.WaitingForApproval, Messages.WaitsForApproval(train, plan, mustRise: true, Money(66)));
        table.Add(Reasons.WaitingForApproval, Messages.WaitsForApproval(train, plan, mustRise: false, null));
        table.Add(Reasons.ForecastPaused, Messages.Paused(November with { MeteringStale = "node gpu-1 is unreachable (no heartbeat)" }));
    }

    private static void Resumes(MessageTable table)
    {
        table.Section("Resumes: an Event Resumed, SuspendedByOtherBudget where other budgets still hold the workload");
        var (plan, train) = Begin(November);
        string[] causes =
        [
            Reasons.NewWindow,
            Reasons.BudgetRaised,
            Reasons.BudgetAvailable,
            Reasons.CostFell,
            Reasons.FitsAgain,
            Reasons.SpendRolledOff,
            Reasons.Approved,
            Reasons.DurationKnown,
            Reasons.RecordRestored,
            "",
        ];
        foreach (var cause in causes)
            table.Add(cause, Messages.Resumed(train, November, plan.Totals, Money(34), cause));
        var held = train with { Snapshot = Train with { OtherBudgets = "budget other" } };
        table.Add(Reasons.SuspendedByOtherBudget, Messages.Resumed(held, November, plan.Totals, Money(34), Reasons.BudgetRaised));
        table.Add(Reasons.Released, Messages.Released(train));
        table.Add(Reasons.Released, Messages.Released(train with { Snapshot = Train with { Exempt = true } }));
        table.Add(Reasons.Released, Messages.Released(held));
        table.Add(Reasons.Released, Messages.Released(held with { Snapshot = held.Snapshot with { Exempt = true } }));
        table.Add("the budget lets go of it", Messages.Restored("budget nlp was deleted", null));
        table.Add("the budget lets go of it", Messages.Restored("budget nlp was deleted", "budget other"));
    }

    private static void Rest(MessageTable table)
    {
        table.Section("Other workloads: status.workloads[].reason");
        void Kept(string reason, WorkloadSnapshot work)
        {
            var (plan, item) = Begin(Budget(50, work));
            table.Add(reason, Messages.Kept(item, reason, plan.Budget));
        }
        Kept(Reasons.SuspendedByOther, Train with { State = WorkloadState.SuspendedByOther });
        Kept(Reasons.Fits, Train.Suspended(50));
        Kept(Reasons.Unpriced, Train with { Rate = null });
        Kept(Reasons.NotSuspendable, Train with { NotSuspendable = "a bare pod has no switch to suspend it" });
        Kept(Reasons.Exempt, Train with { Exempt = true });
        Kept(Reasons.NotSuspendable, Chat with { Class = WorkloadClass.Interactive });
        Kept(Reasons.MinimumReplicas, Chat);
        Kept(Reasons.Expired, Train);
        Kept(Reasons.NotStarted, Train);
        Kept(Reasons.Queued, Train.Waiting() with { QueuedIn = "in Kueue's queue gpus" });
        Kept(Reasons.ReservationReleased, Train.Waiting() with { NoPodSince = Now.AddHours(-1) });
        Kept(Reasons.Fits, Train);
        var zero = Begin(With(Budget(50, Chat), terms => terms with { WhenExhausted = WhenExhausted.Zero }));
        table.Add(Reasons.Fits, Messages.Kept(zero.Item, Reasons.Fits, zero.Plan.Budget));
        var held = Train.Waiting() with { OtherBudgets = "budget other" };
        Kept(Reasons.SuspendedByOtherBudget, held);
        Kept(Reasons.SuspendedByOtherBudget, held with { NoPodSince = Now.AddHours(-1) });
        Kept(Reasons.SuspendedByOtherBudget, held with { NotCoveredBy = "budget other" });
        Kept(Reasons.SuspendedByOtherBudget, Train with { NotCoveredBy = "cluster budget research" });
        var (covered, waiting) = Begin(Budget(50, Train.Suspended(50) with { NotCoveredBy = "cluster budget research" }));
        table.Add(Reasons.SuspendedByOtherBudget, Messages.WaitsForOthers(waiting, covered.Budget));
        Kept(Reasons.SuspendedByOtherBudget, Chat.Waiting() with { OtherBudgets = "budget other" });
        var (plan, train) = Begin(November);
        table.Add(
            Reasons.SuspensionNotFollowed,
            Messages.NotFollowed(
                train with
                {
                    Snapshot = Train with { NotSuspendable = "its pods have run on since 11:50:00" },
                },
                Budget(50)
            )
        );
        table.Add(Reasons.SuspensionFollowed, Messages.Followed(train));
        table.Add(Reasons.SuspensionFollowed, Messages.Followed(train with { Snapshot = Train.Suspended(50) }));
        table.Add(Reasons.Contested, Messages.Contested(Suspended));
        table.Add(Reasons.Contested, Messages.Contested(Suspended with { RevertedBy = "kubectl" }));
        table.Add(Reasons.BreakerOpen, Messages.BreakerOpen);
        table.Add(
            Reasons.ForecastPaused,
            Messages.ProgressStale(
                train with
                {
                    Snapshot = Train with { Estimate = Estimate.Unknown("its progress has not moved since 11:40:00 UTC") },
                }
            )
        );
        table.Add(Reasons.MinimumReplicasExceedLimit, Messages.MinimumReplicasLeave(November, plan.Totals));
        var memory = November.Memory with { SettleUntil = Now.AddMinutes(5) };
        table.Add(Reasons.Settling, Messages.Settling(November, memory));
        table.Add(Reasons.Settling, Messages.Announced(train, November, Now.AddMinutes(5)));
        table.Add(Reasons.Settling, Messages.Announced(train, Observing, Now.AddMinutes(5)));
        table.Section("Announced suspensions: an Event WillSuspend on the budget and its workloads");
        table.Add(Reasons.WillSuspend, Messages.WillSuspend([train], November, plan.Totals, Money(64), memory));
        table.Add(Reasons.WillSuspend, Messages.WillSuspendJobs([train], November, plan.Totals, Money(64), Now.AddMinutes(5)));
        table.Add(Reasons.WillSuspend, Messages.WillSuspendJobs(plan.Workloads, Observing, plan.Totals, Money(64), Now.AddMinutes(5)));
    }

    private static void Estimates(MessageTable table)
    {
        table.Section("Where the time that a job still needs is from, in the messages below");
        var now = Now.AddMinutes(10);
        void Estimated(JobFacts job, DateTimeOffset at)
        {
            var estimate = Estimator.Remaining(job with { RunningSince = Now }, at);
            table.Add($"{estimate.Source}", estimate.Detail);
        }
        ProgressSeries Steps(long? total) =>
            new() { Points = [.. Enumerable.Range(0, 11).Select(i => new ProgressPoint(Now.AddMinutes(i), 100 * i, total))] };
        Estimated(new() { Progress = Steps(30_000), ProgressReporter = "its node's agent" }, now);
        Estimated(new() { Progress = Steps(null) }, now);
        Estimated(new() { Progress = Steps(30_000) }, now.AddHours(1));
        Estimated(new() { Reported = new(now, null, TimeSpan.FromHours(2)) }, now);
        Estimated(new() { Reported = new(now, 40, null) }, now);
        Estimated(
            new()
            {
                Pieces =
                [
                    new()
                    {
                        Total = 40,
                        Ended = 10,
                        AtOnce = 4,
                        Finished = [TimeSpan.FromMinutes(1)],
                    },
                ],
            },
            now
        );
        Estimated(new() { DeclaredDuration = TimeSpan.FromHours(2) }, now);
        Estimated(new() { DeclaredDuration = TimeSpan.FromMinutes(2) }, now);
        Estimated(new() { EarlierRuns = [new(TimeSpan.FromHours(1))] }, now);
        Estimated(new() { EarlierRuns = [new(TimeSpan.FromHours(1), 100)], DeclaredSteps = 200 }, now);
        Estimated(new() { EarlierRuns = [new(TimeSpan.FromMinutes(1))] }, now);
        Estimated(new(), now);
    }

    private static void Warnings(MessageTable table)
    {
        table.Section("Warnings: an Event on the budget, and on the workloads that it names");
        var (plan, train) = Begin(November);
        var other = plan.Workloads.Single(item => item != train);
        var (balance, chat) = (plan.Totals, Begin(Budget(50, Chat)).Item);
        var atLimit = new Outlook
        {
            Projected = Money(50),
            Unlimited = Money(64),
            LimitReachedAt = Now.AddHours(5),
            SuspendsAt = Now.AddHours(5),
            Suspends = [train],
            Continues = [chat],
        };
        var ahead = atLimit with { ForecastAt = Now.AddHours(2), ForecastSuspends = [other] };
        foreach (var budget in (BudgetSnapshot[])[November, Rolling, Observing])
        {
            table.Add(Reasons.AtRisk, Messages.AtRisk(budget, balance, atLimit));
            table.Add(Reasons.AtRisk, Messages.AtRisk(budget, balance, ahead));
        }
        table.Add(Reasons.AtRisk, Messages.AtRisk(November, balance, ahead with { ForecastSuspends = [train, other], Suspends = [] }));
        table.Add(Reasons.AtRisk, Messages.AtRisk(November, balance, atLimit with { JobsEndBefore = true, JobsStopNow = true }));
        table.Add(Reasons.WillSuspend, Messages.WillSuspendAhead(November, balance, atLimit, [train]));
        table.Add(Reasons.WillSuspend, Messages.WillSuspendAhead(November, balance, ahead, [train, other]));
        table.Add(Reasons.WillSuspend, Messages.WillSuspendAhead(Observing, balance, ahead, [other]));
        NextWindowRisk next = new(Window.At(November.Terms.Window, November.Window.End), Money(50), Money(64), [train]);
        table.Add(Reasons.WillSuspend, Messages.WillSuspendNext(November, next));
        table.Add(Reasons.WillSuspend, Messages.WillSuspendNext(Observing, next with { Suspends = [train, other] }));
        GrowthRisk growth = new(Money(48), Money(64), [train]);
        table.Add(Reasons.AtRisk, Messages.MayGrow(November, balance, growth));
        table.Add(Reasons.AtRisk, Messages.MayGrow(Observing, balance, growth with { Likely = Money(60) }));
        table.Add(Reasons.Overspent, Messages.Overspent(November, balance, Money(3), [train]));
        table.Add(Reasons.Overspent, Messages.Overspent(Observing, balance, Money(3), [.. Enumerable.Repeat(train, 6)]));
        table.Add(Reasons.ThresholdReached, Messages.Threshold("spent", 50, Money(26), November, balance));
        table.Add(Reasons.ThresholdReached, Messages.Threshold("projected", 50, Money(26), November, balance));
        table.Add(Reasons.ThresholdReached, Messages.Threshold("spent", 50, Money(26), OfLimit("user=alice"), balance));
        table.Add(Reasons.TooManyLabelValues, Messages.TooManyLabelValues("user", 12, 1000));
        WindowForecast forecast = new()
        {
            Method = SpendingMethod.Seasonal,
            Low = Money(52),
            Likely = Money(61),
            High = Money(70),
            LikelyExhaustedAt = Now.AddDays(14),
        };
        table.Add(Reasons.ForecastOverBudget, Messages.ForecastOverBudget(November, balance, forecast));
    }

    /// <summary>Returns the budget's limit of that name.</summary>
    private static BudgetSnapshot OfLimit(string name, UsageUnit unit = UsageUnit.GpuHours) =>
        With(November, terms => terms with { Counted = new(unit) }) with
        {
            Name = $"nlp/{name}",
            Currency = BudgetSnapshot.UnitOf(unit, "USD"),
        };

    private static void Conditions(MessageTable table)
    {
        table.Section("Conditions of a GpuBudget, and Events about them");
        // Budgets that keep within their limit, come near it, and pass it.
        table.Add(November);
        table.Add(Budget(50, Train));
        table.Add(Budget(50, Job("train", 1)));
        table.Add(Budget(50, Job("train", 1), Job("waiting", 12).Suspended(50)));
        table.Add(Budget(50, Train with { Estimate = Unsettled(TimeSpan.FromHours(9), TimeSpan.FromHours(12)) }));
        table.Add(Budget(50, Train, Job("held", 10).Suspended(50), Job("held-2", 10).Suspended(50)));
        var zero = With(Budget(50, Train, Chat), terms => terms with { WhenExhausted = WhenExhausted.Zero });
        table.Add(zero);
        table.Add(zero with { Spent = Money(45) });
        table.Add(Budget(1000, Chat));
        table.Add(Budget(1000, Train, Chat));
        table.Add(Budget(5000, Train, Chat));
        table.Add(Budget(50, Job("train", 100, spent: 49.99m)));
        table.Add(Budget(50, Job("train", 100, spent: 51) with { NotSuspendable = "a bare pod has no switch to suspend it" }));
        table.Add(Budget(50, Chat with { Spent = Money(51) }, Serving("chat-2")));
        table.Add(Rolling with { Spent = Money(51) });
        table.Add(November with { Spent = Money(51), Workloads = [] });
        table.Add(Budget(33, Train));
        table.Add(November with { LacksGridIntensity = true });
        table.Add(Budget(Terms(25) with { Settle = TimeSpan.FromMinutes(5) }, Job("train", 10, minutesOld: 60)).Admitted(("train", 20)));
        table.Add(
            November with
            {
                Children = [new("research/nlp", Money(60), IsComparable: true), new("vision", Money(40), IsComparable: true)],
            }
        );
        table.Add(November with { Children = [new("research/nlp", Money(60), IsComparable: true)] });
        // Windows and modes.
        table.Add(
            In(
                new(WindowPeriod.Once, Start: Now.AddDays(1), End: Now.AddDays(2)),
                Budget(0.01m, Train.Suspended(0.01m) with { BurnRate = V100, Spent = Amount.Zero })
            )
        );
        table.Add(In(new(WindowPeriod.Once, Start: Now.AddDays(1), End: Now.AddDays(2)), November));
        table.Add(In(new(WindowPeriod.Once, Start: Now.AddDays(-2), End: Now.AddDays(-1)), November));
        table.Add(Observing);
        table.Add(November with { ObserveOnly = true });
        table.Add(November with { ReleasedAt = Now });
        table.Add(Once with { ReleasedAt = Now });
        table.Add(November with { Memory = November.Memory with { ReleasedAt = Now } });
        table.Add(November with { BreakerAllowance = 0, Terms = Terms(20) });
        table.Add(November with { LedgerFault = "the API server answers 403" });
        table.Add(November with { SpecFault = "spec.limit: is required. The spec of generation 2 stays in force." });
        var undone = Suspended with { Reverted = [Now.AddMinutes(-2), Now.AddMinutes(-1)], RevertedBy = "kubectl" };
        table.Add(Budget(5, Train with { Suspension = undone }));
        // Workloads that cannot be suspended.
        var pod = Train with { NotSuspendable = "a bare pod has no switch to suspend it" };
        table.Add(Budget(500, Train with { Exempt = true }, Chat, Serving("notebook") with { Class = WorkloadClass.Interactive }));
        table.Add(Budget(500, Train with { TerminationGrace = TimeSpan.FromHours(1) }));
        table.Add(Budget(50_000, [.. Enumerable.Range(0, 9).Select(i => pod with { Key = new("team", "Pod", $"pod-{i}", $"pod-{i}") })]));
        // Metering, prices and progress.
        NodeNames none = NodeNames.From([]);
        table.Add(November with { Metering = new(1, none, none) });
        table.Add(
            November with
            {
                Metering = new(1, NodeNames.From(["gpu-2"]), NodeNames.From([.. Enumerable.Range(3, 6).Select(i => $"gpu-{i}")])),
            }
        );
        table.Add(November with { Metering = new(2, none, NodeNames.From(["gpu-3"])) });
        Paused(November with { MeteringStale = "node gpu-1 is unreachable (no heartbeat)" });
        Paused(November with { PricesUntrusted = "GpuPriceBook list cannot be read" });
        Paused(November with { UnpricedProducts = ["NVIDIA-B300"] });
        Paused(November with { UnpricedProducts = ["example.com/npu"] });
        Paused(November with { ChargedAsOnDemand = ["NVIDIA-H100 (spot)", "NVIDIA-A100 (spot)", "NVIDIA-L4 (spot)", "NVIDIA-T4 (spot)"] });
        Paused(
            Budget(50, Train with { Estimate = Estimate.Unknown("its progress has not moved since 11:40:00 UTC") with { Stale = true } })
        );

        void Paused(BudgetSnapshot budget)
        {
            var decision = table.Add(budget);
            table.Add(November with { Memory = decision.Memory });
        }
    }

    private static (Plan Plan, CostedWorkload Item) Begin(BudgetSnapshot budget)
    {
        var plan = Plan.Begin(budget);
        return (plan, plan.Workloads.First(item => item.Snapshot.Key.Uid == budget.Workloads[0].Key.Uid));
    }

    private static Amount? Amounts(decimal? amount) => amount is { } known ? Money(known) : null;

    private static BudgetSnapshot With(BudgetSnapshot budget, Func<BudgetTerms, BudgetTerms> change) =>
        budget with
        {
            Terms = change(budget.Terms),
        };

    private static BudgetSnapshot In(WindowSpec spec, BudgetSnapshot budget)
    {
        var window = Window.At(spec, Now);
        return budget with
        {
            Terms = budget.Terms with { Window = spec },
            Window = window,
            Memory = budget.Memory with { WindowKey = window.Key },
        };
    }
}
