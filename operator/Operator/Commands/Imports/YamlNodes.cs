using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Bursar.Operator.Commands.Imports;

/// <summary>Reads YAML, and thus JSON, without types, because the files of other projects may contain anything.</summary>
internal static class YamlNodes
{
    public static IReadOnlyList<YamlMappingNode> Documents(string text)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException error)
        {
            throw new ImportException($"line {error.Start.Line}: {error.Message}");
        }
        return [.. stream.Documents.Select(document => document.RootNode).OfType<YamlMappingNode>()];
    }

    public static YamlNode? At(this YamlMappingNode node, string name) =>
        node.Children.TryGetValue(new YamlScalarNode(name), out var value) ? value : null;

    public static YamlMappingNode? Map(this YamlMappingNode node, params ReadOnlySpan<string> path)
    {
        var at = node;
        foreach (var name in path)
        {
            if (at.At(name) is not YamlMappingNode next)
                return null;
            at = next;
        }
        return at;
    }

    public static string? Text(this YamlMappingNode node, string name) =>
        node.At(name) is YamlScalarNode { Value: { Length: > 0 } value } ? value : null;

    public static IEnumerable<YamlNode> List(this YamlMappingNode node, string name) => node.At(name) is YamlSequenceNode list ? list : [];
}
