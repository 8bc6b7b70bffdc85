using System.Text.Json;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Amounts;

public sealed class MoneyTests
{
    [Theory]
    [InlineData("3.06", 2_700_000, 1, "2.295000")] // the founding example: 30,000 steps of 90 ms on a V100
    [InlineData("3.06", 85, 1, "0.000072")] // one training step: 7.23e-5
    [InlineData("3.06", 850_000, 1, "0.722500")] // 10,000 of them
    [InlineData("4.00", 1, 1, "0.000001")] // an A100's millisecond: 1.11e-6
    [InlineData("0.75", 2_000, 1, "0.000417")] // a query of 2 s on an A10
    [InlineData("6.88", 3_600_000, 8, "55.040000")]
    [InlineData("0", 3_600_000, 8, "0.000000")]
    public void Rate_for_a_time_is_the_amount_of_the_articles(string rate, long milliseconds, int gpus, string amount)
    {
        GpuHourPrice.TryParse(rate, out var parsed).Should().BeTrue();
        (parsed * gpus).For(milliseconds).ToString().Should().Be(amount);
    }

    [Fact]
    public void Small_founding_amounts_are_exact_below_six_decimal_places()
    {
        GpuHourPrice.TryParse("3.06", out var v100);
        GpuHourPrice.TryParse("4.00", out var a100);
        (v100 * 1).For(85).Units.Should().Be((Int128)3_060_000_000 * 85);
        (v100 * 1).For(85).ToDouble().Should().BeApproximately(7.225e-5, 1e-15);
        (a100 * 1).For(1).ToDouble().Should().BeApproximately(1.1111111e-6, 1e-12);
    }

    [Theory]
    [InlineData("500", "500.000000")]
    [InlineData("2.295", "2.295000")]
    [InlineData("0.000000001", "0.000000")]
    [InlineData("999999999999.999999999", "1000000000000.000000")]
    public void Amounts_read_plain_decimals(string text, string shown)
    {
        Amount.TryParse(text, out var amount).Should().BeTrue();
        amount.ToString().Should().Be(shown);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1e3")]
    [InlineData("500m")]
    [InlineData("1,000")]
    [InlineData("1.")]
    [InlineData(".5")]
    [InlineData("1.2.3")]
    [InlineData(" 1")]
    [InlineData("1000000000000")]
    [InlineData("0.0000000001")]
    [InlineData("٣")]
    public void Text_that_is_no_plain_decimal_is_refused(string? text)
    {
        Amount.TryParse(text, out _).Should().BeFalse();
        GpuHourPrice.TryParse(text, out _).Should().BeFalse();
        HourlyCost.TryParse(text, out _).Should().BeFalse();
    }

    [Theory]
    [InlineData(500_000, "0.000000")] // half a millionth: to the even
    [InlineData(1_500_000, "0.000002")]
    [InlineData(2_500_000, "0.000002")]
    public void Shown_amounts_are_rounded_half_even(long thousandNanos, string shown) =>
        new Amount((Int128)thousandNanos * 3_600).ToString().Should().Be(shown);

    [Theory]
    [InlineData("2.295", "2.30")]
    [InlineData("0.047619", "0.05")]
    [InlineData("0.01", "0.01")]
    [InlineData("0.00106", "0.001")]
    [InlineData("0.0000723", "0.00007")]
    [InlineData("0.0000003", "0.000000")]
    [InlineData("120", "120.00")]
    [InlineData("0", "0.00")]
    public void Amounts_in_messages_have_two_places_or_one_significant_digit(string text, string shown)
    {
        Amount.TryParse(text, out var amount);
        amount.ToShortString().Should().Be(shown);
    }

    [Fact]
    public void Percent_of_a_limit_is_rounded_down()
    {
        Amount.TryParse("79.99", out var spent);
        Amount.TryParse("100", out var limit);
        spent.PercentOf(limit).Should().Be(79);
        spent.PercentOf(Amount.Zero).Should().Be(100);
        Amount.Zero.PercentOf(Amount.Zero).Should().Be(0);
    }

    [Fact]
    public void Parts_sum_to_the_whole_exactly() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<long>(),
                Gen.Choose(0, 1_000_000).Select(x => (long)x).NonEmptyListOf().Where(weights => weights.Sum() > 0).ToArbitrary(),
                (units, weights) =>
                {
                    var parts = new Amount(units).Split(weights.ToArray());
                    var sum = parts.Aggregate(Amount.Zero, (a, b) => a + b);
                    // Largest remainder: no part is more than a unit away from its exact share.
                    var near = parts
                        .Select((part, i) => (part.Units * weights.Sum() - (Int128)units * weights[i], i))
                        .All(p => p.Item1 < weights.Sum() && p.Item1 > -weights.Sum());
                    return sum == new Amount(units) && near;
                }
            )
            .QuickCheckThrowOnFailure();

    /// <summary>Amounts around the edge of the lower half, where a carry or a borrow is due, and any others.</summary>
    [Fact]
    public void Amounts_are_added_and_compared_as_whole_numbers()
    {
        var any = ArbMap.Default.GeneratorFor<long>();
        var edges = Gen.Elements<Int128>(0, long.MaxValue, long.MinValue, ulong.MaxValue, -(Int128)ulong.MaxValue, Int128.One << 64, -1);
        var units = (from edge in edges from step in any from times in Gen.Choose(-5, 5) select edge + (Int128)step * times).ToArbitrary();
        Prop.ForAll(units, units, (left, right) =>
                new Amount(left).Units == left
                && (new Amount(left) + new Amount(right)).Units == left + right
                && (new Amount(left) - new Amount(right)).Units == left - right
                && (-new Amount(left)).Units == -left
                && Math.Sign(new Amount(left).CompareTo(new(right))) == Math.Sign(left.CompareTo(right))
                && (new Amount(left) == new Amount(right)) == (left == right)
                && new Amount(left).IsNegative == left < 0
            )
            .QuickCheckThrowOnFailure();
        Prop.ForAll<long, long>((cost, time) => new HourlyCost(cost).For(time).Units == (Int128)cost * time).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Splitting_a_time_changes_no_sum() =>
        Prop.ForAll(
                Gen.Choose(0, int.MaxValue).ToArbitrary(),
                Gen.Choose(0, 1_000_000_000).ToArbitrary(),
                Gen.Choose(0, 1_000_000_000).ToArbitrary(),
                (nano, first, second) =>
                {
                    var rate = new GpuHourPrice(nano);
                    return (rate * 3).For(first) + (rate * 3).For(second) == (rate * 3).For((long)first + second);
                }
            )
            .QuickCheckThrowOnFailure();

    /// <summary>A record of an operator version in which a price and a cost per hour were one type.</summary>
    [Fact]
    public void Hourly_cost_in_a_stored_record_is_a_number_of_nano_currency()
    {
        const string stored =
            """{"since":"2026-11-10T11:55:00+00:00","reason":"ProjectedOverBudget","windowKey":"2026-11","limit":"14400000000000000","freed":0,"raised":0,"rate":3060000000,"confirmed":true}""";
        var read = JsonSerializer.Deserialize(stored, DecisionJson.Default.SuspendedSnapshot)!;
        read.Rate.Should().Be(HourlyCost.FromDecimal(3.06m));
        JsonSerializer.Serialize(read, DecisionJson.Default.SuspendedSnapshot).Should().Contain("\"rate\":3060000000,");
    }
}
