using System.Text;
using Bursar.Api;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.Unit.Api;

public sealed class MistypedSpecTests
{
    [Theory]
    [InlineData("""{"limit": {"cost": 30}}""", "30.00")]
    [InlineData("""{"limit": {"cost": "30.5"}}""", "30.50")]
    [InlineData("""{"limit": {"cost": 30.5}}""", "30.50")]
    [InlineData("""{"limit": {"cost": 0}}""", "0.00")]
    public void Amount_may_be_a_number_or_a_text(string spec, string limit)
    {
        GpuBudgetReader.Read(Budget(spec), out var terms, out _, out _).Should().BeEmpty();
        terms!.Limit.ToShortString().Should().Be(limit);
    }

    [Theory]
    [InlineData("""{"limit": {"cost": {}}}""", "spec.limit.cost")]
    [InlineData("""{"limit": {"cost": true}}""", "spec.limit.cost")]
    [InlineData("""{"limit": {"cost": 1e9}}""", "spec.limit.cost")]
    [InlineData("""{"limit": {"cost": -5}}""", "spec.limit.cost")]
    [InlineData("""{"limit": 30}""", "spec.limit")]
    [InlineData("""{"limit": null}""", "spec.limit.cost")]
    [InlineData("""{"limit": {"cost": 1}, "topUps": [null]}""", "spec.topUps[0]")]
    [InlineData("""{"limit": {"cost": 1}, "topUps": {"amount": 1}}""", "spec.topUps")]
    [InlineData("""{"limit": {"cost": 1}, "selector": "team=nlp"}""", "spec.selector")]
    [InlineData("""{"limit": {"cost": 1}, "selector": {"matchExpressions": [null]}}""", "spec.selector.matchExpressions[0]")]
    [InlineData("""{"limit": {"cost": 1}, "thresholds": [50, null]}""", "spec.thresholds[1]")]
    [InlineData("""{"limit": {"cost": 1}, "thresholds": [1.5]}""", "spec.thresholds[0]")]
    [InlineData("""{"limit": {"cost": 1}, "training": {"tolerancePercent": []}}""", "spec.training.tolerancePercent")]
    [InlineData("""{"limit": {"cost": 1}, "window": 7}""", "spec.window")]
    [InlineData("7", "spec")]
    [InlineData("null", "spec")]
    public void Field_of_another_type_is_named(string spec, string path) =>
        GpuBudgetReader.Read(Budget(spec), out _, out _, out _).Select(error => error.Path).Should().Contain(path);

    [Theory]
    [InlineData("""{"limit": {"cost": 1}, "selector": "team=nlp"}""")]
    [InlineData("""{"limit": {"cost": 1}, "selector": {"matchLabels": 7}}""")]
    [InlineData("7")]
    public void Budget_whose_selector_cannot_be_read_selects_nothing(string spec) =>
        GpuBudgetReader.TryReadSelector(Budget(spec), out _).Should().BeFalse();

    [Fact]
    public void Unreadable_limit_leaves_the_selector_readable() =>
        GpuBudgetReader.TryReadSelector(Budget("""{"limit": []}"""), out _).Should().BeTrue();

    [Theory]
    [InlineData("""{"currency": "USD", "rates": [null]}""", "spec.rates[0]")]
    [InlineData("""{"currency": "USD", "rates": [{"perGpuHour": []}]}""", "spec.rates[0].perGpuHour")]
    [InlineData("""{"currency": {}, "rates": []}""", "spec.currency")]
    public void Field_of_a_price_book_is_named(string spec, string path) =>
        GpuPriceBookReader.Read(Read<V1Alpha1GpuPriceBook>(spec), out _).Select(error => error.Path).Should().Contain(path);

    [Fact]
    public void Rate_may_be_a_number_and_a_lifetime_may_have_days()
    {
        GpuPriceBookReader
            .Read(
                Read<V1Alpha1GpuPriceBook>(
                    """{"currency": "USD", "rates": [{"perGpuHour": 3}, {"owned": {"capitalCost": 15000, "lifetime": "1460d", "pue": 1}}], "guard": {"maxPerGpuHour": 30}}"""
                ),
                out var book
            )
            .Should()
            .BeEmpty();
        book!.Rates[1].Owned!.Lifetime.TotalDays.Should().Be(1460);
    }

    [Theory]
    [InlineData("""{"scaleTargetRef": {"name": "serve"}, "triggers": [null]}""", "spec.triggers[0]")]
    [InlineData("""{"scaleTargetRef": ["serve"]}""", "spec.scaleTargetRef")]
    [InlineData(
        """{"scaleTargetRef": {"name": "serve"}, "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"policies": [null]}}}}}""",
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.policies[0]"
    )]
    public void Field_of_a_scaler_is_named(string spec, string path) =>
        InferenceScalerReader.Read(Read<V1Alpha1InferenceScaler>(spec), out _).Select(error => error.Path).Should().Contain(path);

    [Fact]
    public void Figures_of_a_scaler_may_be_numbers() =>
        InferenceScalerReader
            .Read(
                Read<V1Alpha1InferenceScaler>(
                    """{"scaleTargetRef": {"name": "serve"}, "costCap": {"perHour": 24}, "triggers": [{"type": "queue", "metadata": {"waiting": 5}}]}"""
                ),
                out _
            )
            .Should()
            .BeEmpty();

    [Theory]
    [InlineData("30d", 30 * 24)]
    [InlineData("1d12h", 36)]
    [InlineData("1.5d", 36)]
    [InlineData("0d", 0)]
    public void Days_have_24_hours(string text, double hours)
    {
        GoDuration.TryParse(text, out var duration).Should().BeTrue();
        duration.TotalHours.Should().Be(hours);
    }

    private static V1Alpha1GpuBudget Budget(string spec) => Read<V1Alpha1GpuBudget>(spec);

    private static T Read<T>(string spec)
        where T : class, IKubernetesEntity<T> =>
        KubeJson.Read<T>(Encoding.UTF8.GetBytes($$"""{"metadata": {"name": "b", "namespace": "team", "uid": "u"}, "spec": {{spec}} }"""));
}
