using Bursar.Kubernetes.Objects;

namespace Bursar.Tests.Unit.Kubernetes;

public sealed class LabelQueryTests
{
    [Theory]
    [InlineData("app=decode", "app=decode", true)]
    [InlineData("app=decode", "app=prefill", false)]
    [InlineData("app==decode,tier!=spot", "app=decode", true)]
    [InlineData("app = decode , tier != spot", "app=decode;tier=spot", false)]
    [InlineData("tier in (a, b),app", "app=x;tier=b", true)]
    [InlineData("tier in (a,b)", "tier=c", false)]
    [InlineData("tier notin (a,b)", "app=x", true)]
    [InlineData("!paused,app", "app=x", true)]
    [InlineData("!paused", "paused=yes", false)]
    [InlineData("nvidia.com/dynamo-component=", "nvidia.com/dynamo-component=", true)]
    public void Status_selector_is_parsed_as_the_API_server_parses_it(string query, string labels, bool selected)
    {
        var selector = V1LabelSelector.FromQuery(query);
        selector.Should().NotBeNull();
        selector!
            .Matches(labels.Split(';').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]))
            .Should()
            .Be(selected);
        V1LabelSelector.FromQuery(selector.ToQuery()).Should().BeEquivalentTo(selector);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("app=x,,tier=y")]
    [InlineData("=x")]
    [InlineData("app inn (a)")]
    public void Unreadable_selector_selects_nothing(string query) => V1LabelSelector.FromQuery(query).Should().BeNull();
}
