using System.CommandLine;
using System.Globalization;
using Bursar.Kubernetes.Crds;
using Bursar.Operator.Commands.Imports;

namespace Bursar.Operator.Commands;

/// <summary>
/// <c>bursar generate scaler</c>: writes InferenceScalers from KEDA's ScaledObjects and reports what does not carry over.
/// </summary>
internal static class GenerateScalerCommand
{
    private const int LargestText = 8 * 1024 * 1024;

    public static Command Create()
    {
        var from = new Option<string>("--from-scaledobject")
        {
            Description = "A file of ScaledObjects in YAML, of several documents or a List; - is the standard input.",
            Required = true,
        };
        var command = new Command(
            "scaler",
            "Write InferenceScalers as YAML, from KEDA's ScaledObjects; fields without an equivalent are listed on stderr."
        )
        {
            from,
        };
        command.SetAction(
            (parsed, cancellationToken) =>
                RunAsync(
                    parsed.GetRequiredValue(from),
                    Console.In,
                    parsed.InvocationConfiguration.Output,
                    parsed.InvocationConfiguration.Error,
                    cancellationToken
                )
        );
        return command;
    }

    /// <returns>1 if the text is unreadable, has no ScaledObject, or a ScaledObject has no supported trigger.</returns>
    internal static async Task<int> RunAsync(
        string from,
        TextReader input,
        TextWriter output,
        TextWriter error,
        CancellationToken cancellationToken
    )
    {
        var translations = GenerateScalerTranslation.All(await ReadAsync(from, input, cancellationToken));
        var first = true;
        foreach (var translation in translations)
        {
            foreach (var line in translation.Remarks)
                await error.WriteLineAsync(line);
            if (translation.Scaler is null)
                continue;
            await output.WriteAsync((first ? "" : "---\n") + YamlText.Write(translation.Scaler));
            first = false;
        }
        return translations.Any(translation => translation.Failed) ? 1 : 0;
    }

    private static async Task<string> ReadAsync(string from, TextReader input, CancellationToken cancellationToken)
    {
        if (from != "-" && !File.Exists(from))
            throw new ImportException($"there is no file {from}");
        using var file = from == "-" ? null : File.OpenText(from);
        var buffer = new char[LargestText + 1];
        var read = await (file ?? input).ReadBlockAsync(buffer, cancellationToken);
        return read <= LargestText
            ? new(buffer, 0, read)
            : throw new ImportException(string.Create(CultureInfo.InvariantCulture, $"there are more than {LargestText} characters"));
    }
}
