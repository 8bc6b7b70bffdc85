using System.CommandLine;
using Bursar.Operator.Commands;

return new RootCommand("Bursar keeps GPU work inside its money.")
{
    OperatorCommand.Create(),
    GenerateCommand.Create(),
}.Parse(args).Invoke();
