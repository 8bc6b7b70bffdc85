using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Budget nlp has 20 USD for November 2026 and may borrow 30. A job of 10 hours costs 30.60 USD.</summary>
public sealed class LoanDeciderTests
{
    private static readonly LoanOffer[] Fifty = [new("speech", "team-speech/speech", Money(50))];

    private static BudgetTerms Borrowing(decimal most = 30) => Terms(20) with { BorrowingLimit = Money(most) };

    private static (BudgetSnapshot Budget, BudgetDecision Decision) Decide(BudgetSnapshot budget, params LoanOffer[] offers) =>
        LoanDecider.Decide(budget, () => offers);

    private static Amount Borrowed(BudgetSnapshot budget) => LoanBook.Borrowed(budget.Loans, budget.Uid);

    private static LoanRecord Loan(decimal lent, string lender = "speech") =>
        new()
        {
            LenderUid = lender,
            Lender = $"team-{lender}/{lender}",
            BorrowerUid = "budget",
            Borrower = "team/nlp",
            Window = "2026-11",
            Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero),
            Lent = Money(lent),
        };

    [Fact]
    public void Waiting_job_resumes_on_a_loan_of_what_it_needs()
    {
        var (budget, decision) = Decide(Budget(Borrowing(), Job("train", 10).Suspended(20)), Fifty);

        decision.ResumedNames().Should().Equal("train");
        Borrowed(budget).Should().BeGreaterThan(Money(12)).And.BeLessThan(Money(15), "33.10 with its high estimate and headroom");
        decision.Limit.Should().Be(Money(20) + Borrowed(budget));
        var news = decision.Announcements.Should().ContainSingle(one => one.Reason == Reasons.Borrowed).Which;
        news.About.Select(work => work.Name).Should().Equal("train");
        news.Sentence.Should().Contain("from team-speech/speech");
        decision
            .Loans!.Single()
            .Should()
            .BeEquivalentTo(
                new
                {
                    Lender = "team-speech/speech",
                    Borrower = "team/nlp",
                    Unit = UsageUnit.Cost,
                }
            );
    }

    [Fact]
    public void Running_job_that_grew_keeps_running_on_a_loan()
    {
        var job = Job("train", 10);
        Decide(Budget(Borrowing(), job)).Decision.SuspendedNames().Should().Equal("train");

        var (budget, decision) = Decide(Budget(Borrowing(), job), Fifty);

        decision.Actions.Should().BeEmpty();
        Borrowed(budget).Should().BeGreaterThan(Money(10));
    }

    [Fact]
    public void Job_of_unknown_duration_borrows_for_an_hour_at_the_limit()
    {
        var (budget, decision) = Decide(Budget(Borrowing(), Unknown("train") with { Spent = Money(20) }), Fifty);

        decision.Actions.Should().BeEmpty();
        Borrowed(budget).Should().BeGreaterThan(Money(3)).And.BeLessThan(Money(4));
    }

    /// <summary>Each row is a case in which nothing is lent.</summary>
    public static TheoryData<string, BudgetSnapshot, LoanOffer[]> Refused =>
        new()
        {
            { "a borrowing limit that is too low", Budget(Borrowing(5), Job("train", 10).Suspended(20)), Fifty },
            {
                "offers that are too small",
                Budget(Borrowing(), Job("train", 10).Suspended(20)),
                [new("speech", "team-speech/speech", Money(4)), new("vision", "team-vision/vision", Money(4))]
            },
            { "no spec.borrowing", Budget(Terms(20), Job("train", 10).Suspended(20)), Fifty },
            {
                "a job that another budget does not cover",
                Budget(Borrowing(), Job("train", 10).Suspended(20) with { NotCoveredBy = "cluster budget research" }),
                Fifty
            },
            {
                "a budget that only observes",
                Budget(Borrowing() with { Mode = EnforcementMode.Observe }, Job("train", 10).Suspended(20)),
                Fifty
            },
            { "a ledger that cannot be written", Budget(Borrowing(), Job("train", 10)) with { LedgerFault = "conflict" }, Fifty },
            { "a job that fits", Budget(Borrowing(), Job("train", 2).Suspended(5)), Fifty },
        };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Budget_that_may_not_or_need_not_borrow_gets_no_loan(string what, BudgetSnapshot before, LoanOffer[] offers)
    {
        var (budget, decision) = Decide(before, offers);

        budget.Loans.Should().BeNull(what);
        decision.Limit.Should().Be(Money(20), what);
    }

    [Fact]
    public void Debt_of_earlier_windows_counts_against_the_borrowing_limit()
    {
        var owing = Budget(Borrowing(20), Job("train", 10).Suspended(20)) with
        {
            Loans = [Loan(0) with { OwedBefore = Money(12), Repaid = Money(2) }],
        };

        var (budget, decision) = Decide(owing, Fifty);

        decision.Limit.Should().Be(Money(18), "2 is repaid, and with the other 10 it may borrow 10 more, which is too little");
        Borrowed(budget).Should().Be(Amount.Zero);
    }

    [Fact]
    public void Several_lenders_share_a_loan_the_one_with_most_first()
    {
        var (budget, decision) = Decide(
            Budget(Borrowing(), Job("train", 10).Suspended(20)),
            new("vision", "team-vision/vision", Money(6)),
            new("speech", "team-speech/speech", Money(10)),
            new("late", "team-late/late", Amount.Zero, "its window is another one")
        );

        decision.ResumedNames().Should().Equal("train");
        budget.Loans!.Select(loan => loan.LenderUid).Should().Equal("speech", "vision");
        budget.Loans![0].Lent.Should().Be(Money(10));
    }

    [Fact]
    public void Refusals_are_reported_while_a_job_waits()
    {
        var (_, decision) = Decide(
            Budget(Borrowing(), Job("train", 10).Suspended(20)),
            new LoanOffer("late", "team-late/late", Amount.Zero, LoanMessages.OtherWindow)
        );

        decision.LoanRefusals.Should().Equal($"team-late/late: {LoanMessages.OtherWindow}");
    }

    [Fact]
    public void Part_that_is_not_needed_any_more_returns_within_the_window()
    {
        var before = Budget(Borrowing(), Job("train", 5)) with { Loans = [Loan(6), Loan(5, "vision")] };

        var (budget, decision) = Decide(before);

        decision.Actions.Should().BeEmpty();
        budget.Loans.Should().BeEmpty("the job needs 16.60 of its own 20");
        decision.Limit.Should().Be(Money(20));
    }

    [Fact]
    public void Used_part_stays_and_the_last_loan_returns_first()
    {
        var before = Budget(Borrowing()) with { Spent = Money(23), Loans = [Loan(6), Loan(5, "vision")] };

        var (budget, _) = Decide(before);

        budget.Loans!.Single().Should().Be(Loan(3));
    }

    [Fact]
    public void Lent_money_is_not_recalled_when_the_lender_needs_it()
    {
        var before = Budget(Terms(20) with { LendingLimit = Money(10) }, Job("train", 5)) with
        {
            Loans = [Loan(8) with { LenderUid = "budget", BorrowerUid = "speech" }],
        };

        var (budget, decision) = Decide(before);

        decision.Limit.Should().Be(Money(12));
        budget.Loans.Should().BeSameAs(before.Loans);
        decision.Announcements.Should().Contain(one => one.Reason == Reasons.Lent);
        Decide(before with { Memory = decision.Memory }).Decision.Announcements.Should().NotContain(one => one.Reason == Reasons.Lent);
    }

    [Fact]
    public void Loan_in_another_unit_is_announced_once_and_changes_no_limit()
    {
        var before = Budget(Borrowing(), Job("train", 5)) with { LoansOfOtherUnit = [Loan(8) with { Unit = UsageUnit.GpuHours }] };

        var (_, decision) = Decide(before);

        decision.Limit.Should().Be(Money(20));
        decision.Loans.Should().BeNull();
        var news = decision.Announcements.Should().ContainSingle(one => one.Reason == Reasons.LoanInOtherUnit).Which;
        news.Warning.Should().BeTrue();
        news.Sentence.Should().ContainAll("team-speech/speech", "GPU-hours", "8.00");
        Decide(before with { Memory = decision.Memory })
            .Decision.Announcements.Should()
            .NotContain(one => one.Reason == Reasons.LoanInOtherUnit);
    }

    [Fact]
    public void Changed_loan_starts_no_settle_time_and_counts_as_no_raise()
    {
        var budget = Budget(Borrowing(), Job("train", 5)) with { Loans = [Loan(6)] };

        var more = BudgetDecider.Decide(budget);
        var less = BudgetDecider.Decide((budget with { Loans = null }) with { Memory = more.Memory });

        more.Limit.Should().Be(Money(26));
        less.Memory.SettleUntil.Should().Be(budget.Memory.SettleUntil);
        less.Memory.Raised.Should().Be(budget.Memory.Raised);
    }

    /// <summary>A job whose estimates differ while it runs and while it waits is not resumed again and again with the same loan.</summary>
    [Fact]
    public void Job_suspended_with_a_loan_does_not_resume_at_once_with_the_same_loan()
    {
        var job = Job("train", 10);
        var suspended = job.Suspended(20) with { Suspension = job.Suspended(20).Suspension! with { Limit = Money(50) } };

        var (budget, decision) = Decide(Budget(Borrowing(), suspended), new LoanOffer("speech", "team-speech/speech", Money(30)));

        decision.Actions.Should().BeEmpty();
        budget.Loans.Should().BeNull();
        decision.Memory.FitsSince.Should().ContainKey("uid-train", "it resumes after ten minutes");
        var later = Budget(Borrowing(), suspended).Later(ResumeRule.FitsFor, decision.Memory);
        Decide(later, Fifty[0] with { Amount = Money(30) }).Decision.ResumedNames().Should().Equal("train");
    }
}
