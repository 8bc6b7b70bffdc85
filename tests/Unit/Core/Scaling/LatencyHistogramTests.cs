using Bursar.Core.Scaling;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Scaling;

/// <summary>Expected values follow the documentation of histogram_quantile in Prometheus.</summary>
public sealed class LatencyHistogramTests
{
    [Theory]
    // 10 observations: 2 up to 0.1, 4 up to 0.5 (2 in that bucket), 9 up to 1, 10 in total.
    [InlineData(0.5, 0.6)] // rank 5: one of the five between 0.5 and 1
    [InlineData(0.2, 0.1)] // rank 2: all of the first bucket
    [InlineData(0.1, 0.05)] // the first bucket begins at 0
    [InlineData(0.9, 1.0)]
    [InlineData(0.95, 1.0)] // beyond the highest finite bound
    [InlineData(1.0, 1.0)]
    [InlineData(0.3, 0.3)] // rank 3: the middle of 0.1 to 0.5
    [InlineData(0.0, 0.0)]
    public void Quantile_is_linear_within_its_bucket(double q, double expected) =>
        Of([0.1, 0.5, 1], [2, 4, 9, 10]).Quantile(q).Should().BeApproximately(expected, 1e-12);

    [Fact]
    public void Quantile_without_observations_or_for_an_invalid_share_is_null()
    {
        Of([0.1, 1], [0, 0, 0]).Quantile(0.5).Should().BeNull();
        Of([], [7]).Quantile(0.5).Should().BeNull();
        var some = Of([1], [1, 1]);
        some.Quantile(double.NaN).Should().BeNull();
        some.Quantile(-0.1).Should().BeNull();
        some.Quantile(1.1).Should().BeNull();
    }

    [Fact]
    public void First_bound_below_zero_is_its_own_quantile() => Of([-1, 2], [5, 5, 5]).Quantile(0.5).Should().Be(-1);

    [Fact]
    public void Empty_bucket_is_skipped() =>
        // The first bucket ends at rank 5 of 10; 0.51 lies in the last bucket.
        Of([1, 2, 3], [5, 5, 10, 10]).Quantile(0.51).Should().BeApproximately(2.02, 1e-12);

    [Fact]
    public void Sum_of_histograms_keeps_their_common_bounds()
    {
        var sum = Of([0.1, 0.5, 1], [1, 2, 3, 4]).Plus(Of([0.5, 1, 5], [10, 20, 30, 40]));
        sum.Bounds.Should().Equal(0.5, 1);
        sum.Counts.Should().Equal(12, 23, 44);
        Of([1], [1, 2]).Plus(LatencyHistogram.Empty).Counts.Should().Equal(1, 2);
        LatencyHistogram.Empty.Plus(Of([1], [1, 2])).Counts.Should().Equal(1, 2);
    }

    [Fact]
    public void Increase_of_restarted_counters_is_their_value()
    {
        Of([1, 2], [5, 8, 9]).Since(Of([1, 2], [2, 4, 4])).Counts.Should().Equal(3, 4, 5);
        Of([1, 2], [1, 2, 3]).Since(Of([1, 2], [2, 4, 4])).Counts.Should().Equal(1, 2, 3);
        Of([1, 3], [9, 9, 9]).Since(Of([1, 2], [2, 4, 4])).Counts.Should().Equal(9, 9, 9);
        // The page was written while a request ended: a bucket that is ahead raises the next one.
        Of([1, 2], [5, 5, 5]).Since(Of([1, 2], [2, 3, 4])).Counts.Should().Equal(3, 3, 3);
    }

    [Theory]
    [InlineData(new double[] { 1, 1 }, new long[] { 1, 1, 1 })]
    [InlineData(new double[] { 2, 1 }, new long[] { 1, 1, 1 })]
    [InlineData(new[] { double.NaN }, new long[] { 1, 1 })]
    [InlineData(new[] { double.PositiveInfinity }, new long[] { 1, 1 })]
    [InlineData(new double[] { 1 }, new long[] { 2, 1 })]
    [InlineData(new double[] { 1 }, new long[] { -1, 1 })]
    [InlineData(new double[] { 1 }, new long[] { 1 })]
    [InlineData(new double[] { 1 }, new long[] { })]
    public void Invalid_histogram_is_refused(double[] bounds, long[] counts)
    {
        LatencyHistogram.TryCreate(bounds, counts, out string reason).Should().BeNull();
        reason.Should().NotBeEmpty();
    }

    [Fact]
    public void Quantiles_rise_with_their_share_and_stay_within_the_bounds() =>
        Prop.ForAll(ArbMap.Default.ArbFor<(byte[] Steps, byte One, byte Other)>(), drawn =>
            {
                var steps = drawn.Steps ?? [];
                var histogram = Of(
                    [.. Enumerable.Range(1, steps.Length).Select(i => i * 0.5)],
                    [.. steps.Append((byte)3).Aggregate(new List<long>(), (counts, step) => [.. counts, counts.LastOrDefault() + step])]
                );
                double low = Math.Min(drawn.One, drawn.Other) / 255d,
                    high = Math.Max(drawn.One, drawn.Other) / 255d;
                if (steps.Length == 0)
                    histogram.Quantile(low).Should().BeNull();
                else
                    histogram.Quantile(low).Should().BeInRange(0, histogram.Quantile(high)!.Value).And.BeInRange(0, steps.Length * 0.5);
            })
            .QuickCheckThrowOnFailure();

    private static LatencyHistogram Of(double[] bounds, long[] counts) =>
        LatencyHistogram.TryCreate(bounds, counts, out string reason) ?? throw new InvalidOperationException(reason);
}
