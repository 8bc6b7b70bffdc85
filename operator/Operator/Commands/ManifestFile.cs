using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Bursar.Api;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Crds;

namespace Bursar.Operator.Commands;

/// <summary>Reads the objects of a file of Kubernetes manifests, in YAML or JSON.</summary>
internal static class ManifestFile
{
    private const long LargestFile = 8 * 1024 * 1024;

    /// <exception cref="CommandException">The file cannot be read, or has no such objects.</exception>
    public static IReadOnlyList<JsonObject> Read(FileInfo file)
    {
        if (!file.Exists)
            throw new CommandException($"there is no file {file.Name}.");
        if (file.Length > LargestFile)
            throw new CommandException($"{file.Name} is larger than 8 MiB.");
        try
        {
            return
            [
                .. YamlReader
                    .ReadAll(File.ReadAllText(file.FullName))
                    .OfType<JsonObject>()
                    .SelectMany(document => document["items"] is JsonArray items ? items.OfType<JsonObject>() : [document]),
            ];
        }
        catch (FormatException error)
        {
            throw new CommandException($"{file.Name} is not valid YAML: {error.Message}.");
        }
    }

    /// <summary>Returns the price book of a file.</summary>
    /// <exception cref="CommandException">The file has none, or its spec is invalid.</exception>
    public static PriceBook ReadPriceBook(FileInfo file)
    {
        var node = Read(file).FirstOrDefault(one => (string?)one["kind"] == "GpuPriceBook")
            ?? throw new CommandException($"{file.Name} has no GpuPriceBook.");
        var errors = GpuPriceBookReader.Read(Deserialize(node, ApiJson.GpuPriceBook, file), out var book);
        return book ?? throw new CommandException($"the GpuPriceBook of {file.Name} is invalid: {errors[0]}.");
    }

    private static T Deserialize<T>(JsonObject node, JsonTypeInfo<T> type, FileInfo file)
    {
        try
        {
            return node.Deserialize(type)!;
        }
        catch (JsonException error)
        {
            throw new CommandException($"{file.Name} has a field of the wrong type: {error.Path}.");
        }
    }
}
