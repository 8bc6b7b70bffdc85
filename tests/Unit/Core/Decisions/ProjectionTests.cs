using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

public sealed class ProjectionTests
{
    private const int Length = 90;

    [Fact]
    public void Rolling_projection_is_the_largest_sum_of_all_moments() =>
        ForEachCourse((projection, claims, sums) => projection.Total(claims).Should().Be(sums.Max()));

    [Fact]
    public void Rolling_sum_reaches_an_amount_at_the_first_such_moment() =>
        ForEachCourse(
            (projection, claims, sums) =>
            {
                // One amount is reached at a whole second, the other never.
                var amount = sums[sums.Length / 2];
                var first = Array.FindIndex(sums, sum => sum >= amount);
                projection
                    .FirstAt(claims, amount)!
                    .Value.Should()
                    .BeOnOrBefore(Now.AddSeconds(first))
                    .And.BeAfter(Now.AddSeconds(first - 1));
                projection.FirstAt(claims, sums.Max() + new Amount(1)).Should().BeNull();
            }
        );

    [Fact]
    public void Past_spending_that_no_stretch_explains_stays_in_a_rolling_window()
    {
        var budget = Rolling([new(Now.AddSeconds(-10), Now.AddSeconds(-5), V100)]) with { Spent = Money(3) };
        new Projection(budget).Total([]).Should().Be(Money(3));
        // The five seconds of spending have left the window when it ends.
        Claim all = new(V100, V100.For(TimeSpan.FromSeconds(Length)));
        new Projection(budget).Total([all]).Should().Be(Money(3) + V100.For(TimeSpan.FromSeconds(Length - 5)));
    }

    /// <summary>Compares with the rolling sum of each second of the window that begins now.</summary>
    private static void ForEachCourse(Action<Projection, Claim[], Amount[]> check)
    {
        for (var seed = 0; seed < 500; seed++)
        {
            var random = new Random(seed);
            HourlyCost Rate() => HourlyCost.FromDecimal(random.Next(1, 50));
            SpendSegment[] past =
            [
                .. Enumerable
                    .Range(0, random.Next(12))
                    .Select(_ => Now.AddSeconds(-random.Next(1, 2 * Length)))
                    .Select(from => new SpendSegment(from, random.Next(5) == 0 ? null : from.AddSeconds(random.Next(0, Length)), Rate())),
            ];
            (HourlyCost Rate, TimeSpan Time)[] ahead =
            [
                .. Enumerable.Range(0, random.Next(8)).Select(_ => (Rate(), TimeSpan.FromSeconds(random.Next(0, 2 * Length)))),
            ];
            SpendSegment[] all =
            [
                .. past.Select(one => one with { To = one.To < Now ? one.To : Now }),
                .. ahead.Select(one => new SpendSegment(Now, Now + one.Time, one.Rate)),
            ];
            check(
                new(Rolling(past)),
                [.. ahead.Select(one => new Claim(one.Rate, one.Rate.For(one.Time)))],
                [
                    .. Enumerable
                        .Range(0, Length + 1)
                        .Select(second => RollingSum.At(all, TimeSpan.FromSeconds(Length), Now.AddSeconds(second))),
                ]
            );
        }
    }

    private static BudgetSnapshot Rolling(SpendSegment[] past)
    {
        var terms = Terms(100) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromSeconds(Length)) };
        return Budget(terms) with { RollingSpend = past, Spent = RollingSum.At(past, TimeSpan.FromSeconds(Length), Now) };
    }
}
