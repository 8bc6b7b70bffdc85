using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>The projection, EXHAUSTED-AT and the states AtRisk and Overspent agree with each other.</summary>
public sealed class OutlookTests
{
    // 20 days and 12 hours of the month are left.
    private static readonly TimeSpan Left = TimeSpan.FromHours(492);

    private static WorkloadSnapshot Pod(string name, decimal rate = 3.06m) =>
        Job(name, 0) with
        {
            Key = new("team", "Pod", name, "uid-" + name),
            Class = WorkloadClass.Interactive,
            Rate = HourlyCost.FromDecimal(rate),
            BurnRate = HourlyCost.FromDecimal(rate),
            NotSuspendable = "a bare pod",
            Estimate = Bursar.Core.Forecast.Estimate.Unknown(""),
        };

    public static TheoryData<string> GoesOn => ["pod", "floor", "unknown", "exempt", "stale"];

    [Theory]
    [MemberData(nameof(GoesOn))]
    public void Projection_counts_endless_workloads_to_the_end_of_the_window(string what)
    {
        var work = what switch
        {
            "pod" => Pod("notebook"),
            "floor" => Serving("chat"),
            "unknown" => Unknown("train"),
            "stale" => Unknown("train") with { Estimate = Unknown("train").Estimate with { Stale = true } },
            _ => Unknown("train") with { Exempt = true },
        };
        var decision = BudgetDecider.Decide(Budget(2000m, work) with { Spent = Money(10m) });

        decision.Projected.Should().Be(Money(10m) + V100.For(Left));
        decision.ExhaustedAt.Should().BeNull();
        decision.State.Should().Be(Reasons.OnTrack);
    }

    [Fact]
    public void Projection_of_inference_that_goes_to_zero_ends_at_the_limit()
    {
        // The case of the demo: a projection of 28 although the limit of 60 is reached today.
        var decision = BudgetDecider.Decide(
            Budget(Terms(60m) with { WhenExhausted = WhenExhausted.Zero }, Serving("chat") with { Spent = Money(20m) }, Job("train", 2))
        );

        decision.ExhaustedAt.Should().BeCloseTo(Now.AddHours(2 + (40 - 4 * 3.06) / 3.06), TimeSpan.FromSeconds(1));
        decision.Projected.Should().BeGreaterThanOrEqualTo(Money(60m)).And.BeLessThan(Money(60.1m));
        decision.State.Should().Be(Reasons.AtRisk);
        decision.Condition("ProjectedWithinBudget").Should().Match<ConditionValue>(c => c.Status == false && c.Reason == Reasons.AtRisk);
        decision.Actions.Should().BeEmpty("inference that is suspended at the limit takes no budget from jobs");
    }

    [Fact]
    public void Announcement_of_a_risk_does_not_claim_that_the_present_rate_goes_on()
    {
        // At 6.12 USD/h the limit would be reached two hours earlier, but the job ends before that.
        var decision = BudgetDecider.Decide(
            Budget(Terms(60m) with { WhenExhausted = WhenExhausted.Zero }, Serving("chat") with { Spent = Money(20m) }, Job("train", 2))
        );

        decision
            .Announcements.Single(one => one.Reason == Reasons.AtRisk)
            .Sentence.Should()
            .ContainAll("nlp", "60.00 USD", "6.12 USD/h now");
    }

    [Fact]
    public void Messages_describe_a_rolling_window_and_name_its_top_up_by_key()
    {
        var terms = Terms(60m, WindowPeriod.Rolling) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromDays(1)) };
        var decision = BudgetDecider.Decide(Budget(terms, Pod("notebook")) with { Spent = Money(59m) });

        decision
            .Announcements.Single(one => one.Reason == Reasons.AtRisk)
            .Sentence.Should()
            .NotContain(" ends")
            .And.Contain("top-up for rolling");
        decision.Condition("WithinBudget").Message.Should().Contain("rolling window");
    }

    [Fact]
    public void Verdict_of_an_observing_budget_has_no_advice_on_resuming()
    {
        var decision = BudgetDecider.Decide(
            Budget(Terms(5m) with { Mode = EnforcementMode.Observe }, Job("train", 10, spent: 6)) with
            {
                Spent = Money(6m),
            }
        );

        decision
            .Workloads.Single()
            .Sentence.Should()
            .StartWith("Would be suspended: ")
            .And.NotContain("resume it")
            .And.NotContain("it resumes");
        decision
            .Announcements.Single(one => one.Reason == Reasons.Overspent)
            .Sentence.Should()
            .Contain("observes")
            .And.NotContain("cannot suspend");
    }

    [Fact]
    public void Suspended_job_alone_in_its_budget_waits_for_no_reservation()
    {
        var decision = BudgetDecider.Decide(
            Budget(Terms(8m) with { WhenExhausted = WhenExhausted.Zero }, Serving("chat").Suspended(8, Reasons.BudgetExhausted)) with
            {
                Spent = Money(7.93m),
            }
        );

        decision.Workloads.Single().Sentence.Should().Contain("0.07 of 8.00").And.NotContain("reserved");
    }

    [Fact]
    public void Projection_past_the_limit_counts_only_what_cannot_be_suspended()
    {
        var decision = BudgetDecider.Decide(
            Budget(Terms(60m) with { WhenExhausted = WhenExhausted.Zero }, Serving("chat"), Pod("notebook", 1m))
        );

        var reached = decision.ExhaustedAt!.Value - Now;
        decision.Projected.ToDouble().Should().BeApproximately(60 + (Left - reached).TotalHours, 0.1);
        decision.Condition("Ready").Message.Should().ContainAll("Deployment/chat will be suspended", "Pod/notebook cannot be suspended");
    }

    [Fact]
    public void Observed_projection_is_not_cut_at_the_limit()
    {
        var decision = BudgetDecider.Decide(
            Budget(Terms(60m) with { WhenExhausted = WhenExhausted.Zero, Mode = EnforcementMode.Observe }, Serving("chat"))
        );

        decision.Projected.Should().Be(V100.For(Left));
        decision.ExhaustedAt.Should().NotBeNull();
    }

    [Theory]
    [InlineData(WindowPeriod.Month)]
    [InlineData(WindowPeriod.Rolling)]
    public void Exhausted_at_is_set_when_the_projection_reaches_the_limit_and_only_then(WindowPeriod period)
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            var budget = AnyBudget(random);
            if (period == WindowPeriod.Rolling)
            {
                var terms = budget.Terms with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(72)) };
                budget = budget with
                {
                    Terms = terms,
                    Window = Window.At(terms.Window, budget.Now),
                    RollingSpend = [new(budget.Now.AddHours(-60), budget.Now.AddHours(-58), HourlyCost.FromDecimal(1m))],
                };
            }
            var decision = BudgetDecider.Decide(budget);
            if (decision.State == Reasons.Exhausted || decision.Overspent > Amount.Zero)
                continue;
            (decision.ExhaustedAt is not null)
                .Should()
                .Be(
                    decision.Projected > decision.Limit || decision.ExhaustedAt is not null && decision.Projected >= decision.Limit,
                    "seed {0}: projected {1} of {2}",
                    seed,
                    decision.Projected,
                    decision.Limit
                );
            if (decision.ExhaustedAt is null)
                decision.Projected.Should().BeLessThanOrEqualTo(decision.Limit, "seed {0}", seed);
            else if (budget.Terms.Mode == EnforcementMode.Enforce)
                decision.State.Should().BeOneOf([Reasons.AtRisk, Reasons.ProjectedOver], "seed {0}", seed);
        }
    }

    [Fact]
    public void Risk_is_announced_at_its_start_and_an_hour_before_a_suspension()
    {
        var told = new List<(TimeSpan At, Announcement Event)>();
        var terms = Terms(60m) with { WhenExhausted = WhenExhausted.Zero, Thresholds = [] };
        var (memory, spent, state) = (Budget(terms).Memory, Amount.Zero, "");
        for (var at = TimeSpan.Zero; state != Reasons.Exhausted; at += TimeSpan.FromMinutes(1))
        {
            var decision = BudgetDecider.Decide(Budget(terms, Serving("chat")) with { Now = Now + at, Spent = spent, Memory = memory });
            told.AddRange(decision.Announcements.Select(one => (at, one)));
            (memory, state) = (decision.Memory, decision.State);
            spent += V100.For(TimeSpan.FromMinutes(1));
        }

        told.Select(one => one.Event.Reason).Should().Equal(Reasons.AtRisk, Reasons.WillSuspend);
        told[0].At.Should().Be(TimeSpan.Zero);
        told[0].Event.Sentence.Should().ContainAll("Deployment/chat will be suspended", "60.00 USD");
        (TimeSpan.FromHours(60 / 3.06) - told[1].At).Should().BeCloseTo(LimitWarnings.Lead, TimeSpan.FromMinutes(2));
        told[1].Event.About.Should().Equal(Serving("chat").Key);
    }

    [Fact]
    public void Job_whose_reservation_inference_spends_is_named_with_its_time()
    {
        // 20 spent and 30.60 reserved of 60; inference without a reservation spends the other 9.40 in about three hours.
        var terms = Terms(60m) with { WhenExhausted = WhenExhausted.Zero };
        var world = new LivingBudget(
            Budget(terms, Serving("chat") with { Spent = Money(20m) }, Job("train", 10)).Admitted(("train", 30.6m))
        );
        var first = world.Turn();

        first.State.Should().Be(Reasons.AtRisk);
        first
            .Announcements.Single(one => one.Reason == Reasons.AtRisk)
            .Should()
            .Match<Announcement>(one =>
                one.About.Any(key => key.Name == "train")
                && one.Sentence.Contains("Job/train will be suspended on 2026-11-10 15:04:")
                && one.Sentence.Contains("Deployment/chat will be suspended at the limit")
            );
        first.Condition("Ready").Message.Should().Contain("Job/train will be suspended on 2026-11-10 15:04:");

        DateTimeOffset? told = null,
            suspended = null;
        while (suspended is null)
        {
            var decision = world.Turn(TimeSpan.FromMinutes(1));
            if (decision.Announcements.Any(one => one.Reason == Reasons.WillSuspend && one.About.Any(key => key.Name == "train")))
                told ??= decision.At;
            if (decision.SuspendedNames().Contains("train"))
                suspended = decision.At;
        }
        (suspended - told)!.Value.Should().BeCloseTo(LimitWarnings.Lead, TimeSpan.FromMinutes(2));
        suspended!.Value.Should().BeCloseTo(Now.AddHours(9.4 / 3.06), TimeSpan.FromMinutes(2));
    }

    [Fact]
    public void Job_that_fits_at_its_likely_cost_only_is_named_before_its_estimate_grows()
    {
        var job = Job("train", 10) with
        {
            Estimate = new(
                TimeSpan.FromHours(9),
                TimeSpan.FromHours(10),
                TimeSpan.FromHours(12),
                Bursar.Core.Forecast.EstimateSource.Progress,
                true,
                ""
            ),
        };

        var decision = BudgetDecider.Decide(Budget(33m, job));

        decision.State.Should().Be(Reasons.OnTrack);
        decision
            .Announcements.Single(one => one.Reason == Reasons.AtRisk)
            .Should()
            .Match<Announcement>(one =>
                one.About.Single().Name == "train" && one.Sentence.Contains("30.60 of 33.00 USD") && one.Sentence.Contains("36.72")
            );
        BudgetDecider
            .Decide(Budget(33m, job).Later(TimeSpan.FromSeconds(5), decision.Memory))
            .Announcements.Should()
            .BeEmpty("it was announced");
        BudgetDecider.Decide(Budget(37m, job)).Announcements.Should().NotContain(one => one.Reason == Reasons.AtRisk);
    }

    [Fact]
    public void Risk_and_suspension_are_announced_again_when_the_limit_changes()
    {
        var terms = Terms(60m) with { WhenExhausted = WhenExhausted.Zero, Thresholds = [] };
        BudgetDecision Decide(BudgetMemory? memory, decimal limit, decimal spent) =>
            BudgetDecider.Decide(
                Budget(terms with { Limit = Money(limit) }, Serving("chat")) with
                {
                    Spent = Money(spent),
                    Memory = memory ?? Budget(terms).Memory,
                }
            );

        var first = Decide(null, 60m, 57.5m);
        first.Announcements.Select(one => one.Reason).Should().Equal(Reasons.AtRisk, Reasons.WillSuspend);
        Decide(first.Memory, 60m, 57.6m).Announcements.Should().BeEmpty();
        var sooner = Decide(first.Memory, 60m, 58.6m);
        sooner.Announcements.Select(one => one.Reason).Should().Equal(Reasons.WillSuspend);
        Decide(sooner.Memory, 60m, 58.7m).Announcements.Should().BeEmpty();
        var raised = Decide(sooner.Memory, 61.5m, 58.6m);
        raised.Announcements.Select(one => one.Reason).Should().Equal(Reasons.AtRisk, Reasons.WillSuspend);
        raised.Announcements[0].Sentence.Should().Contain("61.50 USD");
        raised.Announcements[1].Key.Should().NotBe(sooner.Announcements[0].Key, "each is an Event of its own");
    }

    [Fact]
    public void Suspension_that_comes_sooner_is_announced_again_while_it_matters()
    {
        // 49 minutes are left, then 37, then 26, then 22.
        BudgetDecision Decide(BudgetMemory? memory, decimal spent) =>
            BudgetDecider.Decide(
                Budget(Terms(60m) with { WhenExhausted = WhenExhausted.Zero, Thresholds = [] }, Serving("chat")) with
                {
                    Spent = Money(spent),
                    Memory = memory ?? Budget(60m).Memory,
                }
            );

        var first = Decide(null, 57.5m);
        var sooner = Decide(first.Memory, 58.1m);
        sooner.Announcements.Select(one => one.Reason).Should().Equal(Reasons.WillSuspend);
        var soonest = Decide(sooner.Memory, 58.65m);
        soonest.Announcements.Select(one => one.Reason).Should().Equal(Reasons.WillSuspend);
        Decide(soonest.Memory, 58.85m).Announcements.Should().BeEmpty("four minutes are too small a change");
        Decide(sooner.Memory, 57.55m).Announcements.Should().BeEmpty("a delay of less than a quarter of an hour is too small a change");
    }

    [Fact]
    public void Job_announced_as_at_risk_is_named_again_before_its_suspension()
    {
        var terms = Terms(60m) with { WhenExhausted = WhenExhausted.Zero, Thresholds = [] };
        BudgetDecision Decide(BudgetMemory? memory, decimal spent, WorkloadSnapshot job) =>
            BudgetDecider.Decide(
                Budget(terms, Serving("chat"), job) with
                {
                    Spent = Money(spent),
                    Memory = memory ?? Budget(terms).Memory,
                }
            );

        var risk = Decide(null, 30m, Unknown("train"));
        risk.Announcements.Single().About.Select(key => key.Name).Should().BeEquivalentTo(["chat", "train"]);
        // The job reports an end before the limit is reached and then runs longer.
        var near = Decide(risk.Memory, 57m, Job("train", 0.1));
        near.Announcements.Single().About.Select(key => key.Name).Should().Equal("chat");
        var runsOn = Decide(near.Memory, 55.1m, Unknown("train"));
        runsOn
            .Announcements.Single()
            .Should()
            .Match<Announcement>(one => one.Reason == Reasons.WillSuspend && one.About.Any(key => key.Name == "train"));
        Decide(runsOn.Memory, 55.1m, Unknown("train")).Announcements.Should().BeEmpty();
    }

    [Fact]
    public void First_workload_that_the_limit_will_suspend_is_announced()
    {
        var budget = Budget(Terms(60m) with { WhenExhausted = WhenExhausted.Zero, Thresholds = [] }, Pod("notebook")) with
        {
            Spent = Money(10m),
        };
        var risk = BudgetDecider.Decide(budget);
        risk.Announcements.Should().ContainSingle(one => one.Reason == Reasons.AtRisk && one.About.Count == 0);

        var first = BudgetDecider.Decide(
            Budget(budget.Terms, Pod("notebook"), Serving("chat")) with
            {
                Spent = Money(10m),
                Memory = risk.Memory,
            }
        );
        first.Announcements.Should().ContainSingle(one => one.Reason == Reasons.AtRisk && one.About.Any(key => key.Name == "chat"));
        // Other workloads are named an hour before.
        var second = BudgetDecider.Decide(
            Budget(budget.Terms, Pod("notebook"), Serving("chat"), Serving("search")) with
            {
                Spent = Money(10m),
                Memory = first.Memory,
            }
        );
        second.Announcements.Should().BeEmpty();
    }

    [Fact]
    public void Job_of_an_unsettled_estimate_is_announced_until_its_high_end_is_near()
    {
        // The limit is near. The job may end before that, but its estimate is not settled.
        var guess = Unsettled(TimeSpan.Zero, TimeSpan.FromMinutes(1)) with { High = TimeSpan.FromHours(1) };
        var budget = Budget(
            Terms(60m) with
            {
                Thresholds = [],
            },
            Unknown("endless"),
            Job("guess", 0) with
            {
                Estimate = guess,
                CreatedAt = Now.AddHours(-1),
            }
        ) with
        {
            Spent = Money(59.8m),
        };

        BudgetDecider.Decide(budget).Announcements.SelectMany(one => one.About).Select(key => key.Name).Should().Contain("guess");
    }

    [Fact]
    public void Rolling_sum_that_rises_only_with_everything_that_runs_is_announced()
    {
        // 6 USD/h leave the window, and 4 USD/h of each of two workloads enter it.
        SpendSegment past = new(Now.AddHours(-24), Now, HourlyCost.FromDecimal(6m));
        WorkloadSnapshot At4(WorkloadSnapshot work) =>
            work with
            {
                Rate = HourlyCost.FromDecimal(4m),
                BurnRate = HourlyCost.FromDecimal(4m),
                CreatedAt = Now.AddHours(-1),
            };
        var budget = Budget(
            Terms(150m) with
            {
                Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(24)),
                Thresholds = [],
            },
            At4(Unknown("endless")),
            At4(Job("guess", 0) with { Estimate = Unsettled(TimeSpan.Zero, TimeSpan.FromHours(10)) })
        );
        budget = budget with { RollingSpend = [past], Spent = Money(144m) };

        BudgetDecider
            .Decide(budget)
            .Announcements.Single(one => one.Reason == Reasons.AtRisk)
            .About.Select(key => key.Name)
            .Should()
            .BeEquivalentTo(["guess", "endless"]);
    }

    [Fact]
    public void Job_whose_stop_does_not_fit_at_the_peak_of_a_rolling_window_is_announced()
    {
        // At its likely end the job brings the sum to 9.98 of 10. Its stop would cost 0.034 more shortly before, so the limit suspends it.
        var budget = Budget(
            Terms(10m) with
            {
                Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(24)),
                Thresholds = [],
            },
            Job("guess", 0) with
            {
                Estimate = Unsettled(TimeSpan.Zero, TimeSpan.FromHours(1)),
                CreatedAt = Now.AddHours(-1),
            }
        );
        budget = budget with { RollingSpend = [new(Now.AddHours(-4), Now, HourlyCost.FromDecimal(1.73m))], Spent = Money(6.92m) };

        BudgetDecider
            .Decide(budget)
            .Announcements.Single(one => one.Reason == Reasons.AtRisk)
            .About.Select(key => key.Name)
            .Should()
            .Equal("guess");
        BudgetDecider.Decide(budget with { Terms = budget.Terms with { Limit = Money(10.1m) } }).Announcements.Should().BeEmpty();
    }

    [Fact]
    public void Exhausted_at_of_an_exhausted_budget_does_not_move()
    {
        var budget = Budget(10m, Pod("notebook")) with { Spent = Money(10.5m) };
        var first = BudgetDecider.Decide(budget);
        var later = BudgetDecider.Decide((budget with { Spent = Money(13.56m) }).Later(TimeSpan.FromHours(1), first.Memory));

        first
            .ExhaustedAt.Should()
            .BeCloseTo(Now.AddHours(-0.5 / 3.06), TimeSpan.FromSeconds(1), "the present rate tells when the limit was passed");
        later.ExhaustedAt.Should().Be(first.ExhaustedAt);
    }

    [Fact]
    public void Exhausted_at_of_suspended_workloads_is_the_time_of_suspension()
    {
        var suspended = Job("train", 5).Suspended(10m, Reasons.BudgetExhausted, minutesAgo: 90);
        suspended = suspended with { Suspension = suspended.Suspension! with { Spent = Money(9.97m), Available = Money(0.03m) } };

        var decision = BudgetDecider.Decide(Budget(10m, suspended) with { Spent = Money(9.98m) });

        decision.State.Should().Be(Reasons.Exhausted);
        decision.ExhaustedAt.Should().Be(Now.AddMinutes(-90));
    }

    [Fact]
    public void Overspent_budget_names_the_growing_sum_and_repeats_it_with_growing_pauses()
    {
        var (memory, told) = (Budget(3m).Memory, new List<(TimeSpan At, Announcement Event)>());
        BudgetDecision? last = null;
        for (var at = TimeSpan.Zero; at < TimeSpan.FromHours(12); at += TimeSpan.FromMinutes(1))
        {
            last = BudgetDecider.Decide(
                Budget(3m, Pod("fleet", 48m), Serving("chat")) with
                {
                    Now = Now + at,
                    Spent = Money(3.5m) + HourlyCost.FromDecimal(51.06m).For(at),
                    Memory = memory,
                }
            );
            memory = last.Memory;
            told.AddRange(last.Announcements.Where(one => one.Reason == Reasons.Overspent).Select(one => (at, one)));
        }

        last!.State.Should().Be(Reasons.Overspent);
        last.Overspent.Should().BeGreaterThan(Money(600m));
        last.Condition("Ready").Message.Should().Contain("Pod/fleet").And.Contain("51.06 USD/h");
        last.Condition("WithinBudget").Reason.Should().Be(Reasons.Overspent);
        told[0].At.Should().Be(TimeSpan.Zero);
        told[0].Event.Sentence.Should().Contain(" 0.50 USD");
        told.Count.Should().BeInRange(6, 12);
        told.Select(one => one.Event.Key).Should().OnlyHaveUniqueItems("each is an Event of its own with its sum");
        told[0].Event.About.Select(key => key.Name).Should().Equal("fleet", "chat");
    }

    [Fact]
    public void Budget_that_is_used_up_with_nothing_running_is_exhausted_and_not_overspent() =>
        BudgetDecider
            .Decide(Budget(3m) with { Spent = Money(3.5m) })
            .Should()
            .Match<BudgetDecision>(d => d.State == Reasons.Exhausted && d.Overspent == Amount.Zero);

    [Fact]
    public void Unsuspendable_workload_is_named_with_its_reason()
    {
        var pods = Enumerable.Range(0, 200).Select(i => Pod($"notebook-{i:000}") with { NotSuspendable = new string('x', 400) }).ToArray();
        BudgetDecider.Decide(Budget(1000m, Pod("a"))).Condition("FullyEnforceable").Message.Should().Contain("Pod/a (a bare pod)");
        BudgetDecider.Decide(Budget(1_000_000m, pods)).Condition("FullyEnforceable").Message.Length.Should().BeLessThan(1500);
    }

    [Theory]
    [InlineData(90, false)]
    [InlineData(30, true)]
    public void Job_that_the_next_window_does_not_cover_is_announced_an_hour_before(int minutes, bool announced)
    {
        var now = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(-minutes);
        var budget = Budget(100, Job("long", 200), Job("short", 2)) with { Now = now };
        var first = BudgetDecider.Decide(budget);
        first.Actions.Should().BeEmpty();
        first
            .Announcements.Where(one => one.Reason == Reasons.WillSuspend)
            .SelectMany(one => one.About)
            .Select(key => key.Name)
            .Should()
            .Equal(announced ? ["long"] : []);
        if (!announced)
            return;
        first
            .Announcements.Single(one => one.Reason == Reasons.WillSuspend)
            .Sentence.Should()
            .ContainAll("30 min", "2026-12-01 00:00 UTC", "nlp", "Job/long will be suspended", "top-up for 2026-12");
        // The announcement comes once and is correct.
        BudgetDecider
            .Decide(budget with { Memory = first.Memory })
            .Announcements.Should()
            .NotContain(one => one.Reason == Reasons.WillSuspend);
        var december = budget with
        {
            Now = now.AddMinutes(minutes),
            Memory = first.Memory,
            Window = Bursar.Core.Budgets.Window.At(budget.Terms.Window, now.AddMinutes(minutes)),
        };
        BudgetDecider.Decide(december).SuspendedNames().Should().Equal("long");
    }

    [Fact]
    public void Workload_running_beside_an_exhausted_one_is_announced_again()
    {
        var budget = Budget(100, Serving("serve"), Job("stopped", 90).Suspended(100, Reasons.BudgetExhausted)) with { Spent = Money(97) };
        budget = budget with { Terms = budget.Terms with { WhenExhausted = WhenExhausted.Zero } };
        BudgetDecider
            .Decide(budget)
            .Announcements.Should()
            .Contain(one => one.Reason == Reasons.WillSuspend && one.About.Any(key => key.Name == "serve"));
    }
}
