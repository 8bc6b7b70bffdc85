using System.CommandLine;

namespace Bursar.Hosting;

/// <summary>Options that may also come from the environment: <c>--log-format</c> as <c>BURSAR_LOG_FORMAT</c>. The command line goes first.</summary>
public static class OptionSources
{
    public static Option<string> Text(string name, string description, string byDefault) => new(name)
    {
        Description = $"{description} Also {Variable(name)}.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable(Variable(name)) is { Length: > 0 } value ? value : byDefault,
    };

    public static Option<bool> Flag(string name, string description) => new(name)
    {
        Description = $"{description} Also {Variable(name)}.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable(Variable(name)) is "1" or "true",
    };

    public static string Variable(string option) => "BURSAR_" + option.TrimStart('-').Replace('-', '_').ToUpperInvariant();
}
