using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Requests for budget nlp, which has 100 USD for November 2026. It is the tenth, at noon.</summary>
public sealed class GrantDeciderTests
{
    private static readonly GrantRequest More = new()
    {
        Uid = "more",
        Namespace = "team",
        Name = "more",
        Amount = Money(50),
        Reason = "deadline",
        RequestedBy = "ann",
        AnsweredBy = "bob",
        IsApproved = true,
        CreatedAt = Now.AddHours(-1),
    };

    /// <summary>Each row is a request, its state, and the sum that it adds to the limit.</summary>
    public static TheoryData<string, GrantRequest, RequestState, string, decimal> Requests =>
        new()
        {
            { "approved", More, RequestState.Approved, Reasons.GrantApproved, 50 },
            { "not answered", More with { IsApproved = false }, RequestState.Pending, Reasons.WaitingForApproval, 0 },
            { "denied", More with { IsApproved = false, IsDenied = true }, RequestState.Denied, Reasons.Denied, 0 },
            { "approved and denied", More with { IsDenied = true }, RequestState.Denied, Reasons.Denied, 0 },
            { "unreadable amount", More with { Fault = "spec.amount: is not" }, RequestState.Failed, Reasons.InvalidSpec, 0 },
            { "in its currency", More with { Currency = "USD" }, RequestState.Approved, Reasons.GrantApproved, 50 },
            { "in another currency", More with { Currency = "EUR" }, RequestState.Failed, Reasons.CurrencyMismatch, 0 },
            { "until later", More with { Until = Now.AddDays(1) }, RequestState.Approved, Reasons.GrantApproved, 50 },
            { "expired before the approval", More with { Until = Now }, RequestState.Expired, Reasons.GrantExpired, 0 },
            {
                "expired without an answer",
                More with
                {
                    IsApproved = false,
                    Until = Now.AddDays(-1),
                },
                RequestState.Expired,
                Reasons.GrantExpired,
                0
            },
            { "made in an earlier window", More with { CreatedAt = Now.AddDays(-20) }, RequestState.Approved, Reasons.GrantApproved, 50 },
            {
                "granted in an earlier window",
                More with
                {
                    GrantedBefore = ("2026-10", Now.AddDays(-9)),
                },
                RequestState.Expired,
                Reasons.GrantExpired,
                0
            },
            {
                "granted before the budget was recreated",
                More with
                {
                    GrantedBefore = ("2026-11", Now.AddDays(9)),
                },
                RequestState.Approved,
                Reasons.GrantApproved,
                50
            },
            {
                "expired before the budget was recreated",
                More with
                {
                    GrantedBefore = ("2026-11", Now.AddDays(-1)),
                },
                RequestState.Expired,
                Reasons.GrantExpired,
                0
            },
        };

    [Theory]
    [MemberData(nameof(Requests))]
    public void Request_has_a_state_and_adds_to_the_limit_only_if_approved(
        string row,
        GrantRequest request,
        RequestState state,
        string reason,
        decimal inForce
    )
    {
        var decision = Decide(Budget(100), [], request);

        decision.Verdicts.Should().ContainSingle(row).Which.Should().Match<RequestVerdict>(v => v.State == state && v.Reason == reason);
        decision.InForce.Should().Be(Money(inForce), row);
        decision.Records.Should().HaveCount(inForce > 0 ? 1 : 0, row);
    }

    [Fact]
    public void Grant_records_who_asked_and_approved_and_ends_with_the_window()
    {
        var grant = Decide(Budget(100), [], More).Records.Single();

        grant
            .Should()
            .BeEquivalentTo(
                new
                {
                    RequestedBy = "ann",
                    ApprovedBy = "bob",
                    Window = "2026-11",
                    Since = Now,
                    Automatic = false,
                }
            );
        grant.ExpiresAt.Should().Be(new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero));
        Decide(Budget(100), [], More with { Until = Now.AddYears(1) }).Records.Single().ExpiresAt.Should().Be(grant.ExpiresAt);
        Decide(Budget(100), [], More with { Until = Now.AddDays(2) }).Records.Single().ExpiresAt.Should().Be(Now.AddDays(2));
    }

    [Fact]
    public void Second_pass_and_second_approval_change_nothing()
    {
        var first = Decide(Budget(100), [], More);
        var second = Decide(Budget(100), first.Records, More with { AnsweredBy = "carl" });

        first.Announcements.Should().ContainSingle().Which.Reason.Should().Be(Reasons.GrantApproved);
        second.Records.Should().Equal(first.Records);
        second.InForce.Should().Be(first.InForce);
        second.Announcements.Should().BeEmpty();
    }

    [Fact]
    public void Grant_that_expires_first_is_used_first()
    {
        var decision = Decide(
            Spent(100, 130),
            [],
            More with
            {
                Amount = Money(20),
            },
            More with
            {
                Uid = "short",
                Amount = Money(25),
                Until = Now.AddDays(1),
            }
        );

        decision.Current.Select(grant => (grant.RequestUid, grant.Used.ToString(0))).Should().Equal(("short", "25"), ("more", "5"));
    }

    [Theory]
    [InlineData("expires", 80, 0)]
    [InlineData("expires", 130, 30)]
    [InlineData("expires", 170, 50)]
    [InlineData("deleted", 130, 30)]
    [InlineData("denied", 130, 30)]
    public void Unused_part_of_an_ended_grant_leaves_the_limit(string end, decimal spent, decimal used)
    {
        var request = More with { Until = Now.AddHours(1) };
        var first = Decide(Budget(100), [], request);
        GrantRequest[] then =
            end == "expires" ? [request]
            : end == "denied" ? [request with { IsDenied = true }]
            : [];

        var decision = Decide(Spent(100, spent) with { Now = end == "expires" ? Now.AddHours(1) : Now.AddMinutes(1) }, first.Records, then);

        decision.InForce.Should().Be(Money(used));
        decision.Records.Single().Used.Should().Be(Money(used));
        decision
            .Announcements.Should()
            .ContainSingle()
            .Which.Reason.Should()
            .Be(end == "expires" ? Reasons.GrantExpired : Reasons.GrantWithdrawn);
        var later = Decide(Spent(100, spent + 100) with { Now = Now.AddHours(2) }, decision.Records, then);
        later.InForce.Should().Be(Money(used), "the used part stays, and does not grow");
        later.Announcements.Should().BeEmpty();
    }

    [Fact]
    public void Grant_stays_while_requests_are_not_served()
    {
        var first = Decide(Budget(100), [], More);

        GrantDecider.Decide(new(Budget(100), first.Records, null)).InForce.Should().Be(Money(50));
    }

    [Fact]
    public void Grant_adds_nothing_to_the_next_window()
    {
        var first = Decide(Budget(100), [], More);
        var closed = GrantDecider.Close(first.Records, "2026-11", Now.AddDays(21), Money(100), Money(120));
        closed.Single().Should().Match<GrantRecord>(grant => grant.Used == Money(20) && grant.EndedAt == Now.AddDays(21));

        var december = Budget(100) with { Now = Now.AddDays(21), Window = Window.At(new(WindowPeriod.Month), Now.AddDays(21)) };
        var next = Decide(december, closed, More);

        next.InForce.Should().Be(Amount.Zero);
        next.Verdicts.Single().State.Should().Be(RequestState.Expired);
        next.Records.Should().Equal(closed);
    }

    [Fact]
    public void Grant_in_a_rolling_window_keeps_its_used_part_for_one_length()
    {
        var terms = Terms(100) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromDays(7)) };
        BudgetSnapshot At(DateTimeOffset now, decimal spent) =>
            Budget(terms) with
            {
                Now = now,
                Window = Window.At(terms.Window, now),
                Spent = Money(spent),
            };
        var first = Decide(At(Now, 0), [], More);
        first.Records.Single().ExpiresAt.Should().Be(Now.AddDays(7));

        var expired = Decide(At(Now.AddDays(7), 120), first.Records, More);
        expired.InForce.Should().Be(Money(20));
        Decide(At(Now.AddDays(13), 20), expired.Records, More).InForce.Should().Be(Money(20));
        Decide(At(Now.AddDays(14), 20), expired.Records, More).InForce.Should().Be(Amount.Zero);
    }

    [Fact]
    public void Closed_window_takes_no_request()
    {
        var terms = Terms(100) with { Window = new(WindowPeriod.Once, Start: Now.AddDays(-2), End: Now.AddDays(-1)) };

        Decide(Budget(terms), [], More).Verdicts.Single().State.Should().Be(RequestState.Expired);
    }

    [Fact]
    public void Small_requests_are_approved_up_to_the_number_per_window()
    {
        var budget = Budget(Terms(100) with { AutoApprove = new(10, 2) });
        GrantRequest Small(string name, decimal amount, bool approved = false) =>
            More with
            {
                Uid = name,
                Name = name,
                Amount = Money(amount),
                IsApproved = approved,
                AnsweredBy = approved ? "bob" : null,
            };
        GrantRequest[] requests = [Small("a", 10), Small("b", 10.01m), Small("c", 5), Small("d", 1), Small("e", 1, approved: true)];

        var decision = Decide(budget, [], requests);

        decision
            .Verdicts.OrderBy(verdict => verdict.Uid, StringComparer.Ordinal)
            .Select(verdict => $"{verdict.Uid} {verdict.Reason}")
            .Should()
            .Equal("a AutoApproved", "b WaitingForApproval", "c AutoApproved", "d WaitingForApproval", "e GrantApproved");
        decision.Records.Single(grant => grant.RequestUid == "a").ApprovedBy.Should().Be(GrantRecord.ByBursar);

        // A deleted request counts, so deleting and repeating small requests adds up to no more.
        var withoutA = Decide(budget, decision.Records, requests[1..]);
        withoutA.Verdicts.Single(verdict => verdict.Uid == "d").State.Should().Be(RequestState.Pending);
        withoutA.InForce.Should().Be(Money(6));
    }

    [Fact]
    public void Grants_of_one_window_are_bounded()
    {
        var requests = Enumerable
            .Range(0, GrantDecider.MostInWindow + 1)
            .Select(i => More with { Uid = $"r{i:00}", Name = $"r{i:00}", Amount = Money(1) })
            .ToArray();

        var decision = Decide(Budget(100), [], requests);

        decision.Records.Should().HaveCount(GrantDecider.MostInWindow);
        decision.Verdicts.Count(verdict => verdict.Reason == Reasons.TooManyGrants).Should().Be(1);
    }

    [Fact]
    public void Job_resumes_after_a_grant_with_the_cause_that_the_budget_was_raised()
    {
        var waiting = Budget(20, Job("train", 10).Suspended(20));
        BudgetDecider.Decide(waiting).ResumedNames().Should().BeEmpty();

        var decision = Decide(waiting, [], More);
        var granted = BudgetDecider.Decide(waiting with { Granted = decision.InForce, GrantNews = decision.Announcements });

        granted.Limit.Should().Be(Money(70));
        granted.Actions.Should().ContainSingle().Which.Reason.Should().Be(Reasons.BudgetRaised);
        granted.Announcements.Should().Contain(one => one.Reason == Reasons.GrantApproved);
    }

    /// <summary>
    /// Histories of requests, answers, deletions, expiries, spending and window edges. No grant adds more than its amount, the limit is never
    /// below that of the spec, and the used parts are never more than the spending beyond it.
    /// </summary>
    [Fact]
    public void Granted_money_is_conserved_over_random_histories()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var requests = new List<GrantRequest>();
            IReadOnlyList<GrantRecord> records = [];
            var terms = Terms(100, WindowPeriod.Day) with { AutoApprove = random.Next(2) == 0 ? new(10, 2) : null };
            var (spent, key) = (0m, "");
            for (var step = 0; step < 60; step++)
            {
                var now = Now.AddHours(step);
                var window = Window.At(terms.Window, now);
                if (window.Key != key)
                {
                    if (key.Length > 0)
                        records = GrantDecider.Close(records, key, window.Start, Money(100), Money(spent));
                    (spent, key) = (0, window.Key);
                }
                switch (random.Next(5))
                {
                    case 0 or 1:
                        requests.Add(
                            More with
                            {
                                Uid = $"{step:000}",
                                Name = $"r{step}",
                                Amount = Money(random.Next(1, 40)),
                                IsApproved = random.Next(2) == 0,
                                Until = random.Next(2) == 0 ? now.AddHours(random.Next(-1, 9)) : null,
                                CreatedAt = now,
                            }
                        );
                        break;
                    case 2 when requests.Count > 0:
                        requests.RemoveAt(random.Next(requests.Count));
                        break;
                    case 3 when requests.Count > 0:
                        var i = random.Next(requests.Count);
                        requests[i] = random.Next(3) == 0 ? requests[i] with { IsDenied = true } : requests[i] with { IsApproved = true };
                        break;
                }
                spent += random.Next(0, 30);
                var budget = Budget(terms) with { Now = now, Window = window, Spent = Money(spent) };
                var before = records.ToDictionary(grant => grant.RequestUid, StringComparer.Ordinal);

                var decision = Decide(budget, records, [.. requests]);

                records = decision.Records;
                var current = decision.Current;
                current
                    .Where(grant => grant.Used < Amount.Zero || grant.Used > grant.InForce || grant.InForce > grant.Amount)
                    .Should()
                    .BeEmpty("seed {0}", seed);
                (BudgetDecider.LimitOf(budget with { Granted = decision.InForce }) >= Money(100)).Should().BeTrue("seed {0}", seed);
                var used = current.Aggregate(Amount.Zero, (sum, grant) => sum + grant.Used);
                var beyond = Amount.Max(Amount.Zero, Money(spent - 100));
                (used <= beyond).Should().BeTrue("seed {0}, step {1}: used {2}, beyond {3}", seed, step, used, beyond);
                if (beyond > used)
                    current.Where(grant => grant.Used != grant.InForce).Should().BeEmpty("seed {0}: grants are used first", seed);
                foreach (var grant in records)
                    if (before.TryGetValue(grant.RequestUid, out var earlier) && earlier.EndedAt is not null)
                        grant.Should().Be(earlier, "seed {0}: an ended grant does not change", seed);
            }
        }
    }

    private static BudgetSnapshot Spent(decimal limit, decimal spent) => Budget(limit) with { Spent = Money(spent) };

    private static GrantDecision Decide(BudgetSnapshot budget, IReadOnlyList<GrantRecord> grants, params GrantRequest[] requests) =>
        GrantDecider.Decide(new(budget, grants, requests));
}
