using System.Text.Json.Nodes;
using Bursar.Kube.Crds;
using YamlDotNet.RepresentationModel;

namespace Bursar.Tests.Unit.Operator.Generate;

public sealed class YamlTextTests
{
    [Fact]
    public void Keys_are_sorted_and_lists_stand_under_their_key() =>
        YamlText.Write(JsonNode.Parse("""{"b": [{"q": 1, "p": [2, {}]}, "s"], "a": {}, "c": []}""")!)
            .Should().Be("a: {}\nb:\n- p:\n  - 2\n  - {}\n  q: 1\n- s\nc: []\n");

    [Theory]
    [InlineData("true")]
    [InlineData("No")]
    [InlineData("1")]
    [InlineData("-x")]
    [InlineData("")]
    [InlineData(" x")]
    [InlineData("x ")]
    [InlineData("a: b")]
    [InlineData("a #b")]
    [InlineData("^[0-9]{1,12}(\\.[0-9]{1,9})?$")]
    [InlineData("two\nlines \"quoted\"")]
    [InlineData("µ and €")]
    [InlineData("Spent in this window.")]
    public void A_string_reads_back_as_itself(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(YamlText.Write(new JsonObject { ["key"] = text })));
        var node = (YamlScalarNode)((YamlMappingNode)stream.Documents[0].RootNode)["key"];
        node.Value.Should().Be(text);
        if (text is "true" or "No" or "1") node.Style.Should().Be(YamlDotNet.Core.ScalarStyle.DoubleQuoted);
    }
}
