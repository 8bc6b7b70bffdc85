using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Tables;

public sealed class JsonPathTests
{
    private static readonly JsonNode Source = JsonNode.Parse(
        """
        {"metadata":{"annotations":{"a.b/c":"dotted"}},
         "spec":{"n":3,"tags":["x","y","z"],"items":[{"name":"one","v":1},{"name":"two","v":2}]},
         "status":{"conditions":[{"type":"Ready","status":"False","reason":"Broken"},{"type":"Synced","status":"True"}]}}
        """
    )!;

    [Theory]
    [InlineData(".spec.n", "3")]
    [InlineData("$.spec.n", "3")]
    [InlineData(".spec.tags[0]", "\"x\"")]
    [InlineData(".spec.tags[-1]", "\"z\"")]
    [InlineData(".spec.tags[*]", "\"x\",\"y\",\"z\"")]
    [InlineData(".spec['n']", "3")]
    [InlineData(".metadata.annotations['a.b/c']", "\"dotted\"")]
    [InlineData(".metadata.annotations.a\\.b/c", "\"dotted\"")]
    [InlineData(".status.conditions[?(@.type==\"Ready\")].status", "\"False\"")]
    [InlineData(".status.conditions[?(@.type=='Ready')].reason", "\"Broken\"")]
    [InlineData(".status.conditions[?(@.type != \"Ready\")].status", "\"True\"")]
    [InlineData(".status.conditions[?(@.reason)].type", "\"Ready\"")]
    [InlineData(".spec.items[?(@.v==2)].name", "\"two\"")]
    [InlineData(".spec.items[*].name", "\"one\",\"two\"")]
    [InlineData(".spec.missing.deeper", "")]
    [InlineData(".spec.tags[7]", "")]
    [InlineData(".spec.n.below", "")]
    public void Path_selects_the_value(string path, string expected) =>
        string.Join(',', JsonPath.Parse(path).Find(Source).Select(n => n.ToJsonString())).Should().Be(expected);

    [Theory]
    [InlineData("spec.n")]
    [InlineData("{.spec.n}")]
    [InlineData(".spec..n")]
    [InlineData(".spec.tags[")]
    [InlineData(".spec.tags[x]")]
    [InlineData(".spec['n]")]
    [InlineData(".a[?(@.b>1)]")]
    [InlineData(".a[?(@.b==\"x\")")]
    public void Unreadable_path_is_rejected_with_a_reason(string path)
    {
        JsonPath.TryParse(path, out _, out var problem).Should().BeFalse();
        problem.Should().NotBeEmpty();
    }
}
