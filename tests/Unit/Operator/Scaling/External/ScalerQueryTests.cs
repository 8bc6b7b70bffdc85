using Bursar.Operator.Scaling.External;

namespace Bursar.Tests.Unit.Operator.Scaling.External;

public sealed class ScalerQueryTests
{
    [Theory]
    [InlineData("trigger=queue waiting=4")]
    [InlineData("trigger=queue waiting=0.5 activation=0 scalerAddress=bursar:9467 enableTLS=false unsafeSsl=true tlsCertFile=/x")]
    [InlineData("trigger=tokens generatedPerSecond=1500 activation=1")]
    [InlineData("trigger=tokens promptPerSecond=10000 costCapPerHour=7.50")]
    [InlineData("trigger=kv-cache percent=80")]
    [InlineData("trigger=gpu-utilization percent=100")]
    [InlineData("trigger=latency metric=firstToken percentile=95 seconds=0.5")]
    [InlineData("inferenceScaler=chat")]
    [InlineData("inferenceScaler=chat.v2-a scalerAddress=bursar:9467")]
    public void Valid_trigger_metadata_is_parsed(string metadata)
    {
        ScalerQuery.TryRead(Map(metadata), out var ask, out var error).Should().BeTrue(error);
        ask.Should().NotBeNull();
    }

    [Theory]
    [InlineData("", "inferenceScaler or trigger is missing")]
    [InlineData("scalerAddress=bursar:9467", "inferenceScaler or trigger is missing")]
    [InlineData("trigger=queue waiting=4 inferenceScaler=chat", "inferenceScaler and trigger exclude each other")]
    [InlineData("trigger=prometheus query=up", "trigger: \"prometheus\" is none of tokens, queue, kv-cache, gpu-utilization, latency")]
    [InlineData("trigger=Queue waiting=4", "trigger: \"Queue\" is none of tokens, queue, kv-cache, gpu-utilization, latency")]
    [InlineData("trigger=queue", "metadata.waiting: is required")]
    [InlineData("trigger=queue waiting=0", "metadata.waiting: \"0\" is not a number above 0")]
    [InlineData("trigger=queue waiting=-1", "metadata.waiting: \"-1\" is not a number above 0")]
    [InlineData("trigger=queue waiting=NaN", "metadata.waiting: \"NaN\" is not a number above 0")]
    [InlineData("trigger=queue waiting=Infinity", "metadata.waiting: \"Infinity\" is not a number above 0")]
    [InlineData("trigger=queue waiting=4 activation=-1", "metadata.activation: \"-1\" is not a number")]
    [InlineData("trigger=queue waiting=4 percent=3", "metadata: a trigger of type queue has no \"percent\": it has waiting, activation")]
    [InlineData("trigger=tokens", "metadata: needs one of generatedPerSecond and promptPerSecond")]
    [InlineData("trigger=kv-cache percent=101", "metadata.percent: is above 100")]
    [InlineData("trigger=latency metric=ttft percentile=95 seconds=1", "metadata.metric: is none of firstToken, betweenTokens, endToEnd")]
    [InlineData("trigger=queue waiting=4 costCapPerHour=0", "costCapPerHour: \"0\" is not an amount above zero, such as 24 or 7.50")]
    [InlineData("trigger=queue waiting=4 costCapPerHour=$24", "costCapPerHour: \"$24\" is not an amount above zero, such as 24 or 7.50")]
    [InlineData("inferenceScaler=Chat", "inferenceScaler: \"Chat\" is not an object name")]
    [InlineData("inferenceScaler=other/chat", "inferenceScaler: \"other/chat\" is not an object name")]
    [InlineData("inferenceScaler=chat waiting=4", "waiting: beside inferenceScaler it means nothing")]
    [InlineData("inferenceScaler=chat costCapPerHour=4", "costCapPerHour: beside inferenceScaler it means nothing")]
    public void Invalid_trigger_metadata_is_refused_with_its_key(string metadata, string error)
    {
        ScalerQuery.TryRead(Map(metadata), out var ask, out var said).Should().BeFalse();
        (ask, said).Should().Be((null, error));
    }

    private static Dictionary<string, string> Map(string text) =>
        text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('=', 2))
            .ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);
}
