using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Reports;

namespace Bursar.Tests.Unit.Core.Reports;

/// <summary>The rules of the founding articles, each with its figures.</summary>
public sealed class AdviceTests
{
    private const double TenHours = 36_000_000;

    /// <summary>Prices from the articles.</summary>
    private static readonly Dictionary<string, string> Prices = new()
    {
        ["NVIDIA-A100-SXM4-80GB"] = "4.00",
        ["NVIDIA-H100-80GB-HBM3"] = "9.80",
        ["Tesla-V100-SXM2-16GB"] = "3.06",
        ["NVIDIA-A10"] = "0.75",
        ["Tesla-T4"] = "0.50",
    };

    [Fact]
    public void Many_tokens_at_low_activity_recommend_batching() =>
        Of("NVIDIA-A10", activity: 0.35, generated: 4_000_000, without: "Tesla-T4")
            .Should()
            .Equal(
                "its GPUs worked 35 % of 10 measured GPU-hours; the rest cost 4.88, while it made 4,000,000 tokens, 111.1 a second and GPU: "
                    + "batches are small or texts long; turn on dynamic batching, cache, compute ahead, or serve it from fewer GPUs"
            );

    [Fact]
    public void Low_activity_with_few_tokens_recommends_nothing() =>
        Of("NVIDIA-A10", activity: 0.35, generated: 2_000_000, without: "Tesla-T4").Should().BeEmpty();

    [Fact]
    public void Idle_run_without_tokens_recommends_faster_input() =>
        Of("Tesla-V100-SXM2-16GB", activity: 0.1)
            .Should()
            .Equal("its GPUs worked 10 % of 10 measured GPU-hours; the rest cost 27.54: feed it faster, batch, or give it fewer GPUs");

    [Fact]
    public void High_activity_with_few_tokens_recommends_a_smaller_model() =>
        Of("NVIDIA-H100-80GB-HBM3", activity: 0.9, generated: 1_620_000)
            .Should()
            .Equal(
                "its GPUs worked 90 % of the time and made 50 tokens in a busy second, where one stream on an NVIDIA-H100-80GB-HBM3 makes 180: much of the work makes no token; prune or distil the model"
            );

    [Fact]
    public void Enough_tokens_at_high_activity_recommend_nothing() =>
        Of("NVIDIA-H100-80GB-HBM3", activity: 0.9, generated: 9_000_000).Should().BeEmpty();

    [Theory]
    [InlineData(
        "NVIDIA-A100-SXM4-80GB",
        0.08,
        9,
        "its NVIDIA-A100-SXM4-80GB at 4.00 an hour worked 8 % of the time and held 9 GiB: a Tesla-T4 at 0.50 would be at most 51 % busy; it costs 8 times as much",
        "a small model's inference on an A100 instead of a T4"
    )]
    [InlineData(
        "NVIDIA-H100-80GB-HBM3",
        0.09,
        9,
        "its NVIDIA-H100-80GB-HBM3 at 9.80 an hour worked 9 % of the time and held 9 GiB: a NVIDIA-A10 at 0.75 would be at most 71 % busy; it costs 13.1 times as much",
        "the cheapest that carries it"
    )]
    public void Oversized_card_is_named_with_its_cost_multiple(string product, double activity, int gib, string sentence, string what) =>
        Of(product, activity, gib: gib).Should().Contain(sentence, what);

    [Fact]
    public void Light_tuning_on_an_H100_instead_of_a_V100_costs_three_times_as_much() =>
        Of("NVIDIA-H100-80GB-HBM3", 0.09, gib: 9, without: "NVIDIA-A10")
            .Should()
            .ContainSingle(s => s.Contains("Tesla-V100-SXM2-16GB at 3.06") && s.EndsWith("3.2 times as much"));

    [Theory]
    [InlineData(0.08, 14, "it does not fit into a T4's memory, and an A10 of 24 GiB is in the list")]
    [InlineData(0.08, 60, "it fits nowhere smaller")]
    [InlineData(0.60, 9, "no smaller card would carry it")]
    public void Card_that_is_needed_is_kept(double activity, int gib, string what) =>
        Of("NVIDIA-A100-SXM4-80GB", activity, gib: gib, without: "NVIDIA-A10").Should().NotContain(s => s.Contains("times as much"), what);

    [Fact]
    public void Unknown_memory_recommends_no_card() =>
        Of("NVIDIA-A100-SXM4-80GB", 0.08).Should().NotContain(s => s.Contains("times as much"));

    /// <summary>
    /// The case of the founding articles: inference of a small model on an A100 instead of a T4. vLLM reserves 90 % of the memory of the
    /// card, whatever the model needs.
    /// </summary>
    [Fact]
    public void Model_server_on_too_big_a_card_is_named_despite_its_memory() =>
        Of("NVIDIA-A100-SXM4-80GB", 0.08, generated: 500_000, gib: 72)
            .Should()
            .Contain(
                "its NVIDIA-A100-SXM4-80GB at 4.00 an hour worked 8 % of the time: a Tesla-T4 at 0.50 would be at most 51 % busy; it costs 8 times as much "
                    + "(by activity alone: a model server reserves its memory at the start, so the 72 GiB that it held are not what its model needs; check that the model fits 16 GiB)"
            );

    [Fact]
    public void Model_server_that_reports_its_cache_is_judged_by_needed_memory() =>
        Of("NVIDIA-A100-SXM4-80GB", 0.08, generated: 500_000, gib: 72, neededGib: 9)
            .Should()
            .Contain(
                "its NVIDIA-A100-SXM4-80GB at 4.00 an hour worked 8 % of the time and needed at most 9 GiB of the 72 it held (by the server's metrics: without the unused part of its KV cache): "
                    + "a Tesla-T4 at 0.50 would be at most 51 % busy; it costs 8 times as much"
            );

    [Fact]
    public void Model_server_that_needs_its_memory_keeps_its_card() =>
        Of("NVIDIA-A100-SXM4-80GB", 0.08, generated: 500_000, gib: 72, neededGib: 60).Should().NotContain(s => s.Contains("times as much"));

    [Fact]
    public void Busy_model_server_keeps_its_card() =>
        Of("NVIDIA-A100-SXM4-80GB", 0.60, generated: 50_000_000, gib: 72).Should().NotContain(s => s.Contains("times as much"));

    [Fact]
    public void Minute_of_measurements_recommends_nothing() => Of("Tesla-T4", 0, milliseconds: 60_000).Should().BeEmpty();

    [Fact]
    public void Every_model_is_found_by_its_own_name_and_by_NVMLs()
    {
        foreach (var model in GpuModel.All)
        {
            GpuModel.Find(model.Product).Should().Be(model);
            GpuModel.Find(model.Product.Replace('-', ' ')).Should().Be(model);
        }
        GpuModel.Find("NVIDIA-GeForce-RTX-3090").Should().BeNull();
    }

    private static IReadOnlyList<string> Of(
        string product,
        double activity,
        long generated = 0,
        int gib = 0,
        int neededGib = 0,
        double milliseconds = TenHours,
        string without = ""
    )
    {
        GpuHourPrice.TryParse(Prices[product], out var rate).Should().BeTrue();
        var measured = (long)milliseconds;
        var usage = UsageSums.None with
        {
            MeasuredMs = measured,
            BusyMs = (long)(milliseconds * activity),
            MemoryMiBMs = measured * gib * 1024,
            NeededMiB = neededGib * 1024,
            Tokens = generated == 0 ? UsageSums.None.Tokens : new Dictionary<string, TokenSums> { ["m"] = new(0, 0, generated) },
        };
        var spent = (rate * 1).For(measured);
        var row = new ReportRow
        {
            Product = product,
            Spent = spent,
            ReservedGpuMs = measured,
            UnpricedGpuMs = 0,
            WholeDays = new()
            {
                Spent = spent,
                ReservedGpuMs = measured,
                Usage = usage,
                Serving = (spent, 0),
            },
        };
        return Advice.For(row, model =>
            model.Product != without && Prices.TryGetValue(model.Product, out var price) && GpuHourPrice.TryParse(price, out var known)
                ? known
                : null
        );
    }
}
